// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

/// Over the committed steps of an epoch every clip was consumed exactly once, or left out once by a
/// record in the log.
///
/// It counts clips as the workers told them, and knows the sample order only by the number of rows.
struct SampleChecker {
    private let clipCount: Int
    /// Rows of a full step.
    private let rowCount: Int
    private let stepCount: UInt64
    private var masked: Set<MaskedClip> = []
    /// Of the epoch in progress.
    private var consumed: Set<Int> = []
    private var lastStep: UInt64 = 0

    init(_ configuration: TinyTask.Configuration) {
        clipCount = configuration.clipCount
        rowCount = configuration.laneCount * configuration.microbatchSize
        stepCount = configuration.stepCount
    }

    mutating func onMasked(_ clip: MaskedClip) { masked.insert(clip) }

    mutating func onCommit(_ report: StepReport) -> String? {
        let summary: TinySummary
        do {
            summary = try TinySummary(decoding: report.payload)
        } catch {
            return "the summary of step \(report.step) cannot be read: \(error)"
        }
        let left = masked.filter { $0.step == report.step }.map(\.clipIndex)
        let expected = min(rowCount, clipCount - consumed.count)
        guard summary.clips.count + left.count == expected else {
            return "step \(report.step) consumed \(summary.clips.count) clips and left out "
                + "\(left.count), instead of \(expected)"
        }
        for clip in summary.clips + left {
            guard (0..<clipCount).contains(clip), consumed.insert(clip).inserted else {
                return "step \(report.step) consumed clip \(clip) again in its epoch"
            }
        }
        if consumed.count == clipCount { consumed = [] }
        lastStep = report.step.number
        return nil
    }

    func onEnd() -> String? {
        lastStep == stepCount ? nil : "the samples of the steps after \(lastStep) are not proven"
    }
}
