// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives
import Testing

/// Which states a worker keeps for others.
@Suite struct SnapshotShelfTests {
    /// With the states of steps 1 to `count`.
    private static func shelf(_ count: UInt64) -> SnapshotShelf {
        var shelf = SnapshotShelf()
        for step in 1...count { shelf.keep([UInt8(step)], of: Step(step)) }
        return shelf
    }

    private static func kept(_ shelf: SnapshotShelf) -> [UInt64] {
        (1...30 as ClosedRange<UInt64>).filter {
            // A copy, for to ask is to keep.
            var copy = shelf
            return copy.serve(Step($0)) == [UInt8($0)]
        }
    }

    @Test func theFirstAndTheNewestStay() {
        #expect(Self.kept(Self.shelf(10)) == [1, 9, 10])
        #expect(Self.shelf(10).count == 3)
    }

    @Test func afterACheckpointTheFirstSinceStays() {
        var shelf = Self.shelf(10)
        shelf.forget(before: Step(9))
        for step in 11...15 as ClosedRange<UInt64> { shelf.keep([UInt8(step)], of: Step(step)) }

        #expect(Self.kept(shelf) == [10, 14, 15])
    }

    @Test func whatIsOnItsWayAndWhatIsOfferedStay() {
        var shelf = Self.shelf(4)
        #expect(shelf.serve(Step(3)) == [3])
        shelf.offered = Step(4)
        #expect(shelf.serve(Step(4)) == [4], "does not push out what is on its way")
        for step in 5...20 as ClosedRange<UInt64> { shelf.keep([UInt8(step)], of: Step(step)) }

        #expect(Self.kept(shelf) == [1, 3, 4, 19, 20])
        #expect(shelf.count == 5)
        #expect(shelf.serve(Step(7)) == nil)
    }
}
