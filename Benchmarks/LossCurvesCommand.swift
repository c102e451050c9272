// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterRuntime
import Datasets
import Primitives
import Tensors
import Tokenization
import Training

/// What integer sums do to a run; docs/numerics.md shows the result.
struct LossCurvesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "loss-curves",
        abstract: "One pre-training run with several kinds of sums and precisions: its losses.",
        discussion: """
            All of them start from the same parameters and see the same clips. Prints a table: \
            step, and the loss of each run before the update of that step; below, the bits that \
            a sum takes packed. \
            Benchmarks/Plots/loss_curves.py compares and draws them.
            """)

    @Option(help: "The configuration, with f32 and all bits of resolution.")
    var config: String = "configs/demo.yaml"

    @Option(help: "Steps of the run, if not all.")
    var steps: Int?

    func run() throws {
        try prepareProducts(threadCount: 1)
        let setup = try RunSetup(RunConfiguration(contentsOf: config))
        let loader = try makeLoader(setup)
        defer { loader.shutDown() }
        let curves = try CurveRun.all(of: setup)
        print((["step"] + curves.map(\.name)).joined(separator: ","))
        for number in 1...(steps ?? setup.stepCount) {
            let microbatches = try (0..<setup.configuration.lanes.count).map { lane in
                try microbatch(loader, Step(UInt64(number)), lane)
            }
            let losses = try curves.map { try $0.advance(microbatches) }
            print((["\(number)"] + losses.map { "\($0)" }).joined(separator: ","))
        }
        for curve in curves {
            guard let bits = curve.packedBitsPerSum else { continue }
            print("# \(curve.name): \(bits) bits per packed sum")
        }
    }

    private func makeLoader(_ setup: RunSetup) throws -> MicrobatchLoader {
        let encoder = setup.model.textEncoder
        return MicrobatchLoader(
            .init(specification: setup.model.frameSpecification),
            source: ClipSource(clips: setup.collection.clips, order: setup.order),
            cache: try FrameCache(.memory, bytesMax: 2 << 30)
        ) { clip in encoder.encode(title: clip.title, ocr: clip.ocr, asr: clip.asr) }
    }

    private func microbatch(
        _ loader: MicrobatchLoader, _ step: Step, _ lane: Int
    ) throws -> Microbatch {
        guard case .microbatch(let microbatch) = loader.load(step: step, lane: lane) else {
            throw ExitFailure(.dataInvalid, "a clip of step \(step) cannot be read")
        }
        return microbatch
    }
}
