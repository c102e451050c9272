// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterRuntime

struct KeygenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keygen",
        abstract: "Make the keys of a cluster, so that no stranger joins.",
        discussion: """
            Makes one folder per process: DIR/coordinator for the coordinator, DIR/worker-1 and so \
            on for the workers. Copy each worker's folder to its machine, and to no other; it is \
            all that its --keys needs. Nothing that is there is written over.

              accord keygen --out keys --workers 10
              scp -rp keys/worker-1 machine-1:keys
              accord coordinator --keys keys/coordinator --listen tcp://HEAD:7077 ...
              accord worker --keys keys --coordinator tcp://HEAD:7077
            """)

    @Option(help: "Folder for the folders of keys; it is created.")
    var out: String

    @Option(help: "Number of workers, to be called worker-1, worker-2 and so on.")
    var workers: Int?

    @Option(
        name: .customLong("add"),
        help: "Name of one more worker for the coordinator in DIR; may be repeated.")
    var names: [String] = []

    func validate() throws {
        try require(path: out, of: "--out")
        try require(workers, of: "--workers", in: 1...4096)
        guard (workers == nil) != names.isEmpty else {
            throw ValidationError("give either --workers, for a new cluster, or --add")
        }
    }

    func run() throws {
        let maker = KeyMaker(out)
        if let workers {
            try maker.makeCluster(workers: (1...workers).map { "worker-\($0)" })
            print("\(out)/coordinator   stays here, for accord coordinator --keys")
            print("\(out)/worker-N      one for each worker, to its machine only")
        } else {
            try maker.add(workers: names)
            for name in names { print("\(out)/\(name)   for its machine only") }
            print("Start the coordinator again, with the same command, to take them.")
        }
    }
}
