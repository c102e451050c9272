// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import ClusterProtocol
import Datasets
import Foundation
import Hashing
import Logging
import Messaging
import Primitives
import Training

package struct CoordinatorOptions: Sendable {
    package var configurationPath: String
    package var runPath: String
    /// For example tcp://127.0.0.1:7077; nil takes the one of the run, or a free port.
    package var listenEndpoint: String?
    package var expectedWorkerCount: Int

    package init(
        configurationPath: String, runPath: String, listenEndpoint: String?,
        expectedWorkerCount: Int
    ) {
        self.configurationPath = configurationPath
        self.runPath = runPath
        self.listenEndpoint = listenEndpoint
        self.expectedWorkerCount = expectedWorkerCount
    }
}

/// `accord coordinator`: opens or resumes a run and leads it to its end.
package enum CoordinatorProcess {
    package static func run(_ options: CoordinatorOptions) throws(ExitFailure) {
        var logger = Logger(label: "coordinator")
        logger.logLevel = .info
        raiseOpenFileLimit()
        let configuration = try RunConfiguration(contentsOf: options.configurationPath)
        let setup = try RunSetup(configuration)
        let directory = RunDirectory(options.runPath)
        try directory.prepare(configuration)
        let lock = try directory.lock()
        defer { close(lock) }
        let ledger = try Ledger(path: directory.ledgerPath)
        let run = try register(setup, ledger, directory)
        let checkpoints = CheckpointStore(directory: directory.checkpointsPath)
        try reconcileCheckpoints(checkpoints, ledger, logger)
        let mailbox = Mailbox<CoordinatorCore.Event>()
        let signals = SignalWatch { name in mailbox.post(.stopRequested(reason: name)) }
        defer { signals.cancel() }
        let shell = try CoordinatorShell(
            .init(
                directory: directory, ledger: ledger, checkpoints: checkpoints,
                keepCount: configuration.checkpoint.keepCount,
                controlEndpoints: try listenEndpoints(options, ledger), logger: logger),
            mailbox: mailbox
        ) { dataEndpoint in
            coreConfiguration(configuration, run, options, dataEndpoint)
        }
        let (reason, text) = try shell.run()
        logger.info("\(text)")
        guard reason == .success else { throw ExitFailure(reason, text) }
    }

    private static func register(
        _ setup: RunSetup, _ ledger: Ledger, _ directory: RunDirectory
    ) throws(ExitFailure) -> Ledger.Run {
        var generator = SystemRandomNumberGenerator()
        let run = try ledger.register(
            Ledger.Run(
                id: RunID(generator.next()), clipCount: setup.collection.clips.count,
                stepCount: setup.stepCount, fingerprint: setup.dataFingerprint))
        guard run.fingerprint == setup.dataFingerprint else {
            throw ExitFailure(
                .runDirectoryRefused,
                "the data set \(setup.collection.directory) has changed since \(directory.path) "
                    + "was started: \(run.clipCount) clips then, "
                    + "\(setup.collection.clips.count) now, or other texts, sizes or vocabulary. "
                    + "Restore it, or use another --run")
        }
        return run
    }

    /// In order of preference: workers look for a restarted coordinator where it was, but if that
    /// port is another's by now and the user did not name it, any will do.
    private static func listenEndpoints(
        _ options: CoordinatorOptions, _ ledger: Ledger
    ) throws(ExitFailure) -> [String] {
        let asked = options.listenEndpoint ?? "tcp://127.0.0.1:0"
        guard asked.hasSuffix(":0"), let logged = try ledger.endpoint else { return [asked] }
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
            startTimeoutTicks: 300, silenceTicksMax: 30, exchangeTicksMax: 100,
            workerCountMax: 4096, dataEndpoint: dataEndpoint)
    }
}

/// libzmq ends the process when descriptors run out, so as many as allowed are asked for.
func raiseOpenFileLimit() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}
