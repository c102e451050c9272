// SPDX-License-Identifier: Apache-2.0
import Primitives
import Testing

@testable import Datasets

@Suite struct LoadQueueTests {
    private typealias Queue = LoadQueue<Int>

    private func plan(_ step: UInt64, _ clipIndices: [Int]) -> Queue.Plan {
        Queue.Plan(
            key: Queue.Key(step: Step(step), lane: 0), clipIndices: clipIndices,
            plannedRowCountOfStep: clipIndices.count)
    }

    private func unit(_ step: UInt64, _ clipIndex: Int) -> Queue.Unit {
        Queue.Unit(key: Queue.Key(step: Step(step), lane: 0), clipIndex: clipIndex)
    }

    private func row(_ clipIndex: Int) -> ClipRow {
        ClipRow(clipIndex: clipIndex, frames: nil, tokens: [])
    }

    @Test func whatSomebodyWaitsForComesBeforeWhatIsAnnounced() {
        var queue = Queue(heldRowsMax: 10)
        #expect(queue.request(plan(1, [3]), masked: []) == 1)
        #expect(queue.request(plan(2, [4, 5]), masked: []) == 2)

        #expect(queue.load(plan(2, [4, 5]), masked: [], waiter: 0).queuedCount == 2)

        #expect((0..<2).map { _ in queue.next() } == [unit(2, 4), unit(2, 5)])
        #expect(queue.next() == unit(1, 3))
        // The places that the two left behind.
        #expect((0..<2).map { _ in queue.next() } == [nil, nil])
    }

    @Test func anAnnouncedMicrobatchLeavesItsMaskedClipsOut() {
        var queue = Queue(heldRowsMax: 10)

        #expect(queue.request(plan(1, [3, 4, 5]), masked: [4]) == 2)

        #expect((0..<3).map { _ in queue.next() } == [unit(1, 3), unit(1, 5), nil])
    }

    @Test func aClipMaskedInTheAnnouncementOnlyIsDecodedWhenItIsLoaded() {
        var queue = Queue(heldRowsMax: 10)
        #expect(queue.request(plan(1, [3, 4]), masked: [4]) == 1)
        #expect(queue.next() == unit(1, 3))
        #expect(queue.finish(unit(1, 3), .success(row(3))).isEmpty)

        let answer = queue.load(plan(1, [3, 4]), masked: [], waiter: 7)

        #expect(answer.queuedCount == 1)
        #expect(answer.deliveries.isEmpty)
        #expect(queue.next() == unit(1, 4))
        #expect(queue.finish(unit(1, 4), .success(row(4))).map(\.waiter) == [7])
        #expect(queue.heldRowCount == 0)
    }

    @Test func aResultThatComesAfterItsMicrobatchWasDiscardedIsDropped() {
        var queue = Queue(heldRowsMax: 10)
        _ = queue.load(plan(1, [3]), masked: [], waiter: 7)
        #expect(queue.next() == unit(1, 3))

        #expect(queue.discard(through: Step(1)).map(\.outcome) == [.stopped])

        #expect(queue.finish(unit(1, 3), .success(row(3))).isEmpty)
        #expect(queue.heldRowCount == 0)
    }

    @Test func twoWhoWaitForTheSameMicrobatchBothGetIt() {
        var queue = Queue(heldRowsMax: 10)
        _ = queue.load(plan(1, [3, 4]), masked: [], waiter: 7)
        _ = queue.load(plan(1, [3, 4]), masked: [4], waiter: 8)
        #expect(queue.next() == unit(1, 3))
        #expect(queue.finish(unit(1, 3), .success(row(3))).map(\.waiter) == [8])
        _ = queue.next()

        #expect(queue.finish(unit(1, 4), .success(row(4))).map(\.waiter) == [7])
        #expect(queue.heldRowCount == 0)
    }
}
