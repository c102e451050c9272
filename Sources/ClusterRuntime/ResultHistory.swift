// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

/// Encoded results of the steps since the state that is kept for joiners, without a gap.
struct ResultHistory: Sendable {
    private static let bytesMax = 1 << 30

    private(set) var results: [Step: [UInt8]] = [:]
    private var newest: Step
    private var byteCount = 0

    /// - Parameter start: the step whose state is kept.
    init(start: Step) { newest = start }

    /// Whether the result of this step is the next.
    func lacks(_ step: Step) -> Bool { step == newest.next }

    /// Older ones make room; who needs one that is gone begins again with a newer state.
    mutating func add(_ result: [UInt8], of step: Step) {
        guard lacks(step) else { return }
        newest = step
        results[step] = result
        byteCount += result.count
        while byteCount > Self.bytesMax, results.count > WorkerCore.keptResultCountMin {
            guard let oldest = results.keys.min() else { return }
            byteCount -= results.removeValue(forKey: oldest)?.count ?? 0
        }
    }
}
