// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterRuntime
import Datasets
import Evaluation
import Media
import Primitives
import Tensors
import Tokenization
import Training

struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Text-to-video and video-to-text retrieval of the newest checkpoint.",
        discussion: """
            Ranks all clips of the split for each text, and all texts for each clip. R@k is the \
            share of queries whose own partner is among the first k; chance is 1 / clips at k = 1.
            """)

    /// What `--json` prints.
    private struct Report: Encodable {
        struct Direction: Encodable {
            var recallAt1: Double
            var recallAt5: Double
            var recallAt10: Double
            var medianRank: Double

            init(_ direction: RetrievalMetrics.Direction) {
                recallAt1 = direction.recallAt1
                recallAt5 = direction.recallAt5
                recallAt10 = direction.recallAt10
                medianRank = direction.medianRank
            }
        }

        var step: UInt64
        /// Clips with both modalities: queries and candidates.
        var clips: Int
        /// Clips that lack their text.
        var textlessClips: Int
        var unreadableClips: Int
        var chanceRecallAt1: Double
        var textToVideo: Direction
        var videoToText: Direction
    }

    @Option(name: .customLong("run"), help: "Run directory.")
    var runPath: String

    @Option(help: "Annotations to evaluate on (default: data.heldOutSplit of the run).")
    var split: String?

    @Flag(help: "JSON for programs.")
    var json = false

    func run() throws {
        configureSingleThreadedBLAS()
        let report = try evaluate()
        if json { return try printJSON(report) }
        print("step \(report.step), \(report.clips) held-out clips")
        print("                R@1     R@5     R@10    median rank")
        for (name, direction) in [
            ("text to video", report.textToVideo), ("video to text", report.videoToText),
        ] {
            let shares = [direction.recallAt1, direction.recallAt5, direction.recallAt10]
                .map { Self.percent($0) }
            print("\(name)   \(shares.joined(separator: "  "))  \(direction.medianRank)")
        }
        print("chance          \(Self.percent(report.chanceRecallAt1))")
        if report.textlessClips > 0 {
            print("\(report.textlessClips) clips have no text and were left out")
        }
        if report.unreadableClips > 0 {
            print("\(report.unreadableClips) clips could not be read and were left out")
        }
    }

    static func percent(_ share: Double) -> String {
        let tenths = Int((share * 1000).rounded())
        let text = "\(tenths / 10).\(tenths % 10) %"
        return String(repeating: " ", count: max(0, 7 - text.count)) + text
    }

    private func evaluate() throws -> Report {
        let run = try RestoredRun(runPath)
        let (setup, replica) = (run.setup, run.replica)
        let configuration = setup.configuration
        let heldOut = try ClipCollection(
            directory: configuration.data.directory,
            split: split ?? configuration.data.heldOutSplit)
        let (rows, unreadable) = load(heldOut, setup)
        var evaluator = RetrievalEvaluator(
            ClipEncoder(
                model: replica.model, parameters: replica.laneParameters, microbatchSize: 32))
        evaluator.add(rows)
        let metrics = evaluator.metrics()
        return Report(
            step: run.step.number, clips: metrics.pairCount,
            textlessClips: metrics.leftOutCount, unreadableClips: unreadable,
            chanceRecallAt1: 1 / Double(max(1, metrics.pairCount)),
            textToVideo: .init(metrics.textToVideo), videoToText: .init(metrics.videoToText))
    }

    private func load(_ collection: ClipCollection, _ setup: RunSetup) -> ([ClipRow], Int) {
        var rows: [ClipRow] = []
        var unreadableCount = 0
        let encoder = setup.textEncoder
        for (index, clip) in collection.clips.enumerated() {
            do {
                let frames = try VideoDecoder.decode(path: clip.path, setup.frameSpecification)
                let tokens = encoder.encode(title: clip.title, ocr: clip.ocr, asr: clip.asr)
                let decoded = DecodedClip(
                    frames: frames, frameCount: setup.frameSpecification.frameCount)
                rows.append(ClipRow(clipIndex: index, frames: decoded, tokens: tokens))
            } catch {
                unreadableCount += 1
            }
        }
        return (rows, unreadableCount)
    }
}
