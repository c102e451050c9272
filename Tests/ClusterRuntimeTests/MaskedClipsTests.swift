// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives
import Testing

@testable import ClusterRuntime

@Suite struct MaskedClipsTests {
    /// As after a restart from a checkpoint: the log tells all masks before the first is needed.
    @Test func masksOfDistantStepsAreAllKept() {
        var masked = MaskedClips()
        for number in [10, 20, 300] as [UInt64] {
            masked.insert(MaskedClip(step: Step(number), clipIndex: Int(number)), applied: Step(5))
        }
        masked.insert(MaskedClip(step: Step(20), clipIndex: 7), applied: Step(5))

        #expect(masked[Step(10)] == [10])
        #expect(masked[Step(20)] == [7, 20])
        #expect(masked[Step(300)] == [300])
        #expect(masked[Step(11)] == [])
    }

    @Test func thoseOfAppliedStepsAreForgotten() {
        var masked = MaskedClips()
        masked.insert(MaskedClip(step: Step(10), clipIndex: 1), applied: Step(5))
        masked.insert(MaskedClip(step: Step(12), clipIndex: 2), applied: Step(10))

        #expect(masked[Step(10)] == [])
        #expect(masked[Step(12)] == [2])
    }
}
