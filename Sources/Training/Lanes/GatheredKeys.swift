// SPDX-License-Identifier: Apache-2.0
import Objectives
import Primitives
import Synchronization
import Tensors

/// Keys of a lane that do not lie in the arena of a thread.
struct OwnedLaneKeys: Sendable {
    let clipIndices: [Int]
    let views: [ClipView: (rows: [Int], elements: [Float])]

    init(_ keys: LaneKeys) {
        clipIndices = keys.clipIndices
        views = keys.views.mapValues { ($0.rows, Array($0.vectors.elements)) }
    }

    func keys(in arena: Arena) -> LaneKeys {
        LaneKeys(
            clipIndices: clipIndices,
            views: views.mapValues { own in
                let vectors = arena.allocate(
                    [own.rows.count, own.elements.count / max(1, own.rows.count)])
                for (place, element) in own.elements.enumerated() {
                    vectors.data[place] = element
                }
                return .init(vectors: vectors, rows: own.rows)
            })
    }
}

/// The keys of all lanes of a step, for `memoryBank.candidates: gather`.
///
/// Every worker computes all of them, from the same state and the same clips, so nothing is
/// exchanged and a lane stays a pure function; each worker does it once per step and not once per
/// lane. Two threads that want the same lane at the same time both compute it, to the same bits.
/// Isolation: any thread.
final class GatheredKeys: Sendable {
    private struct Known {
        var step = Step.initial
        var keys: [Int: OwnedLaneKeys] = [:]
    }

    private let known = Mutex(Known())

    func keys(lane: Int, step: Step, _ compute: () -> OwnedLaneKeys) -> OwnedLaneKeys {
        let found = known.withLock { $0.step == step ? $0.keys[lane] : nil }
        if let found { return found }
        let keys = compute()
        known.withLock { known in
            if known.step != step { known = Known(step: step) }
            known.keys[lane] = keys
        }
        return keys
    }

    /// Forgets what was computed from a state that is no more.
    func reset() { known.withLock { $0 = Known() } }
}
