// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

/// The clips that lanes leave out, by step, from the log of the coordinator.
///
/// A worker that repeats steps hears of all their masks at once, so what it will need for later
/// steps is kept however many there are.
struct MaskedClips {
    private var clips: [Step: Set<Int>] = [:]

    /// - Parameter applied: nothing is computed again up to this step.
    mutating func insert(_ clip: MaskedClip, applied: Step) {
        clips = clips.filter { $0.key > applied }
        clips[clip.step, default: []].insert(clip.clipIndex)
    }

    subscript(step: Step) -> Set<Int> { clips[step] ?? [] }
}
