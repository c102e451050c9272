// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Foundation
import Logging
import Media
import Messaging
import Primitives
import Tensors

package struct WorkerOptions: Sendable {
    package var coordinatorEndpoint: String
    /// Lanes at a time.
    package var threadCount: Int
    /// The folder of the clips on this machine, if it is another than the configuration's.
    package var dataDirectory: String?
    package var giveUpAfterSeconds: Int
    /// With other workers of this machine.
    package var sharesMemory: Bool
    /// The folder that `accord keygen` made for this worker; nil = nothing is encrypted.
    package var keysPath: String?
    /// Speaks without keys where others may listen.
    package var trustsNetwork: Bool
    /// How often this process has come back since it last took part in a step.
    package var restarts: ProcessRestart.Counts

    package init(
        coordinatorEndpoint: String, threadCount: Int, dataDirectory: String?,
        giveUpAfterSeconds: Int, sharesMemory: Bool, keysPath: String? = nil,
        trustsNetwork: Bool = false, restarts: ProcessRestart.Counts = .init()
    ) {
        self.coordinatorEndpoint = coordinatorEndpoint
        self.threadCount = threadCount
        self.dataDirectory = dataDirectory
        self.giveUpAfterSeconds = giveUpAfterSeconds
        self.sharesMemory = sharesMemory
        self.keysPath = keysPath
        self.trustsNetwork = trustsNetwork
        self.restarts = restarts
    }
}

/// `accord worker`: joins a cluster and computes until the run is over.
package enum WorkerProcess {
    package static func run(_ options: WorkerOptions) throws(ExitFailure) {
        defer { MessagingContext.waitUntilAllHaveEnded() }
        do { try takePart(options) } catch { throw error.sayingHowToGoOn }
    }

    private static func takePart(_ options: WorkerOptions) throws(ExitFailure) {
        var logger = Logger(label: "worker")
        logger.logLevel = .info
        try raiseOpenFileLimit()
        try prepareProducts(threadCount: options.threadCount)
        let keys = try options.keysPath.map { path throws(ExitFailure) in
            try KeyFolder(path).workerKeys()
        }
        let host = try LocalAddress.reaching(options.coordinatorEndpoint)
        try NetworkExposure.check(host: host, options)
        var generator = SystemRandomNumberGenerator()
        let member = Member(
            worker: WorkerID(generator.next()), dataEndpoint: "",
            publicKey: keys?.own.publicKey.text, threadCount: options.threadCount,
            hostName: ProcessInfo.processInfo.hostName, processIdentifier: getpid())
        let events = Mailbox<WorkerCore.Event>()
        let signals = SignalWatch { name in events.post(.stopRequested(reason: name)) }
        defer { signals.cancel() }
        let shell = try WorkerShell(
            .init(
                member: member, numericClass: "\(numericClass()) \(mediaVersions())",
                coordinatorEndpoint: options.coordinatorEndpoint,
                coordinatorSilenceTicksMax: UInt64(options.giveUpAfterSeconds) * 10),
            options, keys, events: events, logger: logger)
        logger.info("worker \(member.worker) looks for \(options.coordinatorEndpoint)")
        let (reason, text) = shell.run()
        // Whoever asks a second time does not want to wait for lanes that are being computed.
        signals.cancel()
        shell.finish()
        logger.info("\(text)")
        guard reason == .success else {
            let next = ProcessRestart.next(
                after: reason, hasTakenPart: shell.hasTakenPart, options.restarts)
            guard let next else { throw ExitFailure(reason, text) }
            logger.info("joins again as a new worker")
            throw ProcessRestart.perform(next)
        }
    }
}
