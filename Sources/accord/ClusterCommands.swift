// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterRuntime

struct CoordinatorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coordinator",
        abstract: "Lead a run from the head node; the same command resumes.")

    @Option(help: "Configuration file, see docs/configuration.md.")
    var config: String

    @Option(name: .customLong("run"), help: "Run directory; it is created.")
    var runPath: String

    @Option(
        help: """
            Where workers connect, for example tcp://0.0.0.0:7077; port 0 takes a free one. \
            (default: that of the run, or tcp://127.0.0.1:7077)
            """)
    var listen: String?

    @Option(help: "Start when so many workers are there, or 30 seconds after the first.")
    var workers: Int = 1

    func validate() throws {
        guard workers >= 1 else { throw ValidationError("--workers must be at least 1") }
        guard listen?.hasPrefix("tcp://") ?? true else {
            throw ValidationError("--listen looks like tcp://127.0.0.1:7077")
        }
    }

    func run() throws {
        try CoordinatorProcess.run(
            CoordinatorOptions(
                configurationPath: config, runPath: runPath, listenEndpoint: listen,
                expectedWorkerCount: workers))
    }
}

struct WorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker",
        abstract: "Join a cluster and compute; one per machine or NUMA node.")

    @Option(help: "The coordinator, for example tcp://head:7077.")
    var coordinator: String

    @Option(help: "Lanes computed at a time (default: the processors).")
    var threads: Int?

    @Option(help: "Folder of the clips on this machine, if it is not the configuration's.")
    var data: String?

    @Option(help: "Seconds without an answer of the coordinator before giving up.")
    var giveUpAfter: Int = 60

    func validate() throws {
        guard threads.map({ (1...4096).contains($0) }) ?? true else {
            throw ValidationError("--threads must be 1 to 4096")
        }
        guard (1...86400).contains(giveUpAfter) else {
            throw ValidationError("--give-up-after must be 1 to 86400 seconds")
        }
    }

    func run() throws {
        try WorkerProcess.run(
            WorkerOptions(
                coordinatorEndpoint: coordinator, threadCount: threads ?? processorCount,
                dataDirectory: data, giveUpAfterSeconds: giveUpAfter))
    }
}
