// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Foundation
import Logging
import Messaging
import Primitives
import Training

package struct CoordinatorOptions: Sendable {
    package var configurationPath: String
    package var runPath: String
    /// What a new run starts from; empty = the seed.
    package var initialPaths: [String]
    /// For example tcp://127.0.0.1:7077; nil takes the one of the run, or a free port.
    package var listenEndpoint: String?
    package var expectedWorkerCount: Int
    /// The folder that `accord keygen` made for the coordinator; nil = nothing is encrypted.
    package var keysPath: String?
    /// Listens without keys where others may reach it.
    package var trustsNetwork: Bool

    package init(
        configurationPath: String, runPath: String, initialPaths: [String] = [],
        listenEndpoint: String?, expectedWorkerCount: Int, keysPath: String? = nil,
        trustsNetwork: Bool = false
    ) {
        self.configurationPath = configurationPath
        self.runPath = runPath
        self.initialPaths = initialPaths
        self.listenEndpoint = listenEndpoint
        self.expectedWorkerCount = expectedWorkerCount
        self.keysPath = keysPath
        self.trustsNetwork = trustsNetwork
    }
}

/// `accord coordinator`: opens or resumes a run and leads it to its end.
package enum CoordinatorProcess {
    package static func run(_ options: CoordinatorOptions) throws(ExitFailure) {
        defer { MessagingContext.waitUntilAllHaveEnded() }
        do { try lead(options) } catch { throw error.sayingHowToGoOn }
    }

    private static func lead(_ options: CoordinatorOptions) throws(ExitFailure) {
        var logger = Logger(label: "coordinator")
        logger.logLevel = .info
        try raiseOpenFileLimit()
        let keys = try options.keysPath.map { path throws(ExitFailure) in
            try KeyFolder(path).coordinatorKeys()
        }
        try NetworkExposure.check(listen: [options.listenEndpoint ?? defaultEndpoint], options)
        let configuration = try RunConfiguration(contentsOf: options.configurationPath)
        let directory = RunDirectory(options.runPath)
        let setup = try RunSetup(configuration, isNew: !directory.hasRun)
        let opening = RunOpening(
            setup: setup, directory: directory, initialPaths: options.initialPaths, logger: logger)
        let opened = try opening.open()
        defer { close(opened.lock) }
        let (run, ledger) = (opened.run, opened.ledger)
        let mailbox = Mailbox<CoordinatorCore.Event>()
        let signals = SignalWatch { name in mailbox.post(.stopRequested(reason: name)) }
        defer { signals.cancel() }
        let commands = SignalWatch([
            (RunControl.pauseSignal, { @Sendable in mailbox.post(.pauseRequested) }),
            (RunControl.resumeSignal, { @Sendable in mailbox.post(.resumeRequested) }),
        ])
        defer { commands.cancel() }
        let shell = try CoordinatorShell(
            .init(
                directory: opening.directory, ledger: ledger, checkpoints: opening.checkpoints,
                keepCount: configuration.checkpoint.keepCount,
                controlEndpoints: try listenEndpoints(options, ledger), keys: keys,
                logger: logger),
            mailbox: mailbox
        ) { dataEndpoint in
            coreConfiguration(configuration, run, options, dataEndpoint)
        }
        let (reason, text) = try shell.run()
        // Whoever asks a second time does not want to wait for what is left to do.
        signals.cancel()
        shell.finish()
        logger.info("\(text)")
        guard reason == .success else { throw ExitFailure(reason, text) }
    }

    private static let defaultEndpoint = "tcp://127.0.0.1:0"

    /// In order of preference: workers look for a restarted coordinator where it was, but if that
    /// port is another's by now and the user did not name it, any will do.
    private static func listenEndpoints(
        _ options: CoordinatorOptions, _ ledger: Ledger
    ) throws(ExitFailure) -> [String] {
        let asked = options.listenEndpoint ?? defaultEndpoint
        guard asked.hasSuffix(":0"), let logged = try ledger.endpoint else { return [asked] }
        try NetworkExposure.check(listen: [logged], options)
        return [logged, asked]
    }

    private static func coreConfiguration(
        _ configuration: RunConfiguration, _ run: Ledger.Run, _ options: CoordinatorOptions,
        _ dataEndpoint: String
    ) -> CoordinatorCore.Configuration {
        .init(
            welcome: Welcome(
                run: run.id, configuration: configuration.resolvedYAML,
                laneCount: configuration.lanes.count, stepCount: UInt64(run.stepCount),
                checkpointEverySteps: UInt64(configuration.checkpoint.everySteps),
                stateHashEverySteps: UInt64(configuration.cluster.stateHashEverySteps)),
            dataFingerprint: run.fingerprint, expectedWorkerCount: options.expectedWorkerCount,
            startTimeoutTicks: 300,
            // Ten seconds: a dead member is evicted long before, and TCP has repeated a lost packet
            // five times. Longer exchanges are learnt.
            exchangePatienceTicks: 100,
            workerCountMax: 4096, dataEndpoint: dataEndpoint)
    }
}

/// libzmq ends the process when descriptors run out, so as many as allowed are asked for.
func raiseOpenFileLimit() throws(ExitFailure) {
    let needed: rlim_t = 256
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    guard limit.rlim_max >= needed else {
        throw ExitFailure(
            .memoryLacking,
            "this process may have \(limit.rlim_max) open files and needs \(needed), and more for "
                + "many workers; raise the limit (ulimit -n)")
    }
}
