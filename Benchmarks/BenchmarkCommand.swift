// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import NeuralNetworks
import Tensors

/// Measures parts of Accord beside the limits of the machine; `make bench` runs all of it.
@main
struct BenchmarkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmarks",
        abstract: "Measure parts of Accord beside the limits of this machine.",
        subcommands: [
            StepCommand.self, AllReduceCommand.self, AllReduceRankCommand.self,
            LossCurvesCommand.self, JoinsCommand.self, VerifyCommand.self,
        ])
}

struct StepCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "step",
        abstract: "One pre-training step: lanes, exact sums, optimizer, key encoder.",
        discussion: """
            The same work as one step of a PyTorch model of the same sizes: text and frames \
            through one stream, masked language modelling, matching, and InfoNCE in both \
            directions against a bank, with a momentum key encoder.
            """)

    @Option(help: "small or base.")
    var size: WorkSize = .small

    @Option(help: "f32 or bf16.")
    var precision: Precision = .f32

    @Option(help: "Lanes, one thread each.")
    var lanes: Int = 2

    @Option(help: "Clips per lane.")
    var rows: Int = 4

    @Option(help: "Tokens per text; 0 draws 16 to 256 with a median near 60.")
    var text: Int = 128

    @Option(help: "What the backward pass computes again: none or layers.")
    var recomputation: Recomputation = .none

    @Option(help: "Keys of each memory bank.")
    var bank: Int = 4096

    @Option(help: "Views with a bank, 2 or 3: text, video, both together.")
    var views: Int = 2

    @Flag(help: "Measure each step without the banks as well.")
    var compareBank = false

    @Option(help: "Measured steps; the median counts.")
    var steps: Int = 5

    func run() throws {
        try prepareProducts(threadCount: lanes)
        let work = PretrainingWork(
            .init(
                size: size, precision: precision, laneCount: lanes, rowCount: rows,
                tokenCount: text, recomputation: recomputation, bankCapacity: bank,
                viewCount: views))
        let benchmark = StepBenchmark(work)
        if compareBank {
            benchmark.compareBanks(stepCount: steps)
        } else {
            benchmark.run(stepCount: steps)
        }
    }

    func validate() throws {
        guard 2...3 ~= views, bank >= 0 else {
            throw ValidationError("--views is 2 or 3, and --bank is not negative")
        }
    }
}

extension WorkSize: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}
extension Recomputation: ExpressibleByArgument {}
