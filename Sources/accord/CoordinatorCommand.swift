// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterRuntime

struct CoordinatorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coordinator",
        abstract: "Lead a run from the head node; the same command resumes.",
        discussion: """
            Waits for workers, plans their lanes, writes the ledger and the checkpoints, and ends \
            when the run is complete. Its death stops nothing: start it again with the same \
            command. SIGTERM or Ctrl-C makes a checkpoint first; a second one ends it at once.
            """)

    @Option(help: "Configuration file, see docs/configuration.md.")
    var config: String

    @Option(name: .customLong("run"), help: "Run directory; it is created.")
    var runPath: String

    @Option(
        help: """
            Where workers connect, for example tcp://192.168.0.10:7077; workers of other machines \
            need an address that they can reach. Port 0 takes a free one. \
            (default: that of the run, or a free port of 127.0.0.1)
            """)
    var listen: String?

    @Option(help: "Start when so many workers are there, or 30 seconds after the first.")
    var workers: Int = 1

    @OptionGroup var security: SecurityOptions

    @OptionGroup var beginning: InitialWeightsOption

    func validate() throws {
        try require(path: config, of: "--config", toName: "a file")
        try require(path: runPath, of: "--run")
        try require(workers, of: "--workers", in: 1...4096)
        guard listen.map(LocalAddress.mayListen(on:)) ?? true else {
            throw ValidationError(
                "--listen looks like tcp://127.0.0.1:7077, with a port of 0 to 65535")
        }
    }

    func run() throws {
        try CoordinatorProcess.run(
            CoordinatorOptions(
                configurationPath: config, runPath: runPath, initialPaths: beginning.paths,
                listenEndpoint: listen, expectedWorkerCount: workers,
                keysPath: security.keysPath, trustsNetwork: security.trustsNetwork))
    }
}
