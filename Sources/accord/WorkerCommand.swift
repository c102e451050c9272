// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterRuntime

struct WorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker",
        abstract: "Join a cluster and compute; one per machine or NUMA node.",
        discussion: """
            Takes the configuration from the coordinator and reads its clips from the same path as \
            the coordinator, or from --data. It may join and leave at any time; the result stays \
            the same. SIGTERM or Ctrl-C lets it finish its step and bring its state to safety if \
            nobody else has it; a second one ends it at once. Evicted, it joins again by itself.
            """)

    @Option(help: "The coordinator, for example tcp://192.168.0.10:7077.")
    var coordinator: String

    @Option(help: "Lanes computed at a time (default: the processors).")
    var threads: Int?

    @Option(help: "Folder of the clips on this machine, if it is not the configuration's.")
    var data: String?

    @Option(help: "Seconds without an answer of the coordinator before giving up.")
    var giveUpAfter: Int = 60

    @Flag(
        name: .customLong("no-shared-memory"),
        help: "Exchange sums over the network, also with workers of this machine.")
    var sharesNoMemory = false

    @Option(name: .customLong(ProcessRestart.rejoinOption), help: .hidden)
    var rejoinCount: Int = 0

    @Option(name: .customLong(ProcessRestart.wrongStateOption), help: .hidden)
    var wrongStateCount: Int = 0

    @OptionGroup var security: SecurityOptions

    func validate() throws {
        try require(path: data, of: "--data")
        try require(threads, of: "--threads", in: 1...4096)
        try require(giveUpAfter, of: "--give-up-after", in: 1...86400)
    }

    func run() throws {
        try WorkerProcess.run(
            WorkerOptions(
                coordinatorEndpoint: coordinator, threadCount: threads ?? processorCount,
                dataDirectory: data, giveUpAfterSeconds: giveUpAfter,
                sharesMemory: !sharesNoMemory, keysPath: security.keysPath,
                trustsNetwork: security.trustsNetwork,
                restarts: .init(rejoins: rejoinCount, wrongStates: wrongStateCount)))
    }
}
