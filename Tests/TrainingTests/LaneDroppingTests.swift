// SPDX-License-Identifier: Apache-2.0
import Datasets
import Models
import Objectives
import Primitives
import Tensors
import Testing

@testable import Training

@Suite struct LaneDroppingTests {
    private static func configuration(
        _ mode: ModalityDropping, text: Float, video: Float
    ) -> RunConfiguration {
        var configuration = TinyRun(laneCount: 3, microbatchSize: 4).configuration
        configuration.objectives.maskedLanguageWeight = 0
        configuration.objectives.modalityDropping = mode
        configuration.objectives.textDropProbability = text
        configuration.objectives.videoDropProbability = video
        return configuration
    }

    private static func microbatch(step: UInt64, lane: Int, clips: [Int]) -> Microbatch {
        Microbatch(
            step: Step(step), lane: lane, rows: clips.map(TinyRun.row),
            plannedRowCount: clips.count, plannedRowCountOfStep: clips.count)
    }

    private static func left(
        _ configuration: RunConfiguration, step: UInt64, lane: Int, clips: [Int] = [0, 1, 2, 3]
    ) -> [ClipView] {
        let microbatch = microbatch(step: step, lane: lane, clips: clips)
        let rows = LaneRows(microbatch.rows, separator: 3)
        let dropping = LaneDropping(configuration, microbatch, special: [])
        return clips.indices.map { dropping.left(of: .videoText, $0, rows) }
    }

    @Test func aStepDropsOneModalityInAllLanes() {
        let configuration = Self.configuration(.step, text: 0.3, video: 0.3)
        var seen: [ClipView: Int] = [:]
        for step in 1...300 as ClosedRange<UInt64> {
            let lanes = (0..<3).map { Self.left(configuration, step: step, lane: $0) }
            #expect(Set(lanes.joined()).count == 1)
            seen[lanes[0][0], default: 0] += 1
        }
        // Binomial: five standard deviations of 300 throws at 0.3 are 40.
        #expect(abs(seen[.video, default: 0] - 90) < 40)
        #expect(abs(seen[.text, default: 0] - 90) < 40)
        #expect(seen.count == 3)
    }

    @Test func rowsDropEachForItself() {
        let configuration = Self.configuration(.row, text: 0.5, video: 0.5)
        let drawn = (1...100 as ClosedRange<UInt64>).map {
            Self.left(configuration, step: $0, lane: 1)
        }
        #expect(drawn.contains { Set($0).count == 2 })
        #expect(Set(drawn.joined()) == [.text, .video])
        #expect(drawn != (1...100).map { Self.left(configuration, step: $0, lane: 2) })
    }

    /// Clip 5 has no text, clip 6 no frames.
    @Test func aRowKeepsItsOnlyModality() {
        for (text, video) in [(1, 0), (0, 1)] as [(Float, Float)] {
            let configuration = Self.configuration(.row, text: text, video: video)
            let left = Self.left(configuration, step: 1, lane: 0, clips: [1, 5, 6])
            // What is not there is dropped, too, which changes nothing.
            #expect(
                left == (text == 1 ? [.video, .video, .videoText] : [.text, .videoText, .text]))
        }
    }

    /// Without texts only the short sequences of frames are run, forth and back; the keys, and so
    /// the banks, are whole all the same.
    @Test func aDroppedModalityCostsNothingAndLeavesTheKeysAsTheyAre() {
        func compute(text: Float) -> (report: LaneReport, bytes: Int) {
            var configuration = Self.configuration(.step, text: text, video: text == 1 ? 0 : 1e-6)
            configuration.objectives.alignmentTerms = AlignmentPlan(text: "six-task") ?? .textVideo
            // Longer texts than clips, as real ones are.
            configuration.model.layerCount = 3
            var run = TinyRun()
            run.configuration = configuration
            let replica = run.replica()
            replica.randomiseParameters(seed: 8)
            let arena = Arena(chunkFloats: 1 << 8)
            let report = replica.computation().gradient(
                of: Self.microbatch(step: 1, lane: 0, clips: [0, 1, 2, 3]), in: arena
            ).report
            return (report, arena.peakBytes)
        }
        let (whole, without) = (compute(text: 0), compute(text: 1))

        #expect(without.report.keys == whole.report.keys)
        #expect(Double(without.bytes) < 0.75 * Double(whole.bytes))
        // text-video, video-text, video-videoText, videoText-video, text-videoText, videoText-text
        #expect(whole.report.directions.map(\.count) == [4, 4, 4, 4, 4, 4])
        #expect(without.report.directions.map(\.count) == [0, 4, 4, 4, 0, 4])
    }

    @Test func thinnedQueriesKeepSomething() {
        var configuration = Self.configuration(.none, text: 0, video: 0)
        configuration.objectives.queryDropProbability = 0.9
        let microbatch = Self.microbatch(step: 1, lane: 0, clips: [0])
        let dropping = LaneDropping(configuration, microbatch, special: [2, 3])
        var generator = LaneDropping.generator(configuration, microbatch)
        var lengths: Set<Int> = []
        for _ in 0..<200 {
            let text = dropping.thinned([2, 10, 11, 3, 12, 3, 3], &generator)
            #expect(text.first == 2 && text.filter { $0 == 3 }.count == 3)
            #expect(text.count >= 5)
            lengths.insert(text.count)
            let frames = dropping.thinned(frameCount: 3, &generator)
            #expect(frames.map { !$0.isEmpty && $0 == $0.sorted() } ?? true)
        }
        #expect(lengths.count > 1)
    }
}
