// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives
import Testing

/// How long a worker waits for a coordinator that says nothing, and what it says at the end.
@Suite struct SilentCoordinatorTests {
    /// It has applied all of its steps, in an absence that began with the first.
    private static func afterAnAbsence(ticks: Int) -> LoneWorker {
        var worker = LoneWorker(stepCount: 3)
        worker.join()
        worker.pass(ticks: ticks)
        for _ in 1...3 { worker.takeStep() }
        return worker
    }

    /// However long it was away while nobody needed it.
    @Test(arguments: [0, 99, 5000])
    func aCoordinatorThatIsNeededIsWaitedForFromThenOn(_ absence: Int) {
        var worker = Self.afterAnAbsence(ticks: absence)

        worker.pass(ticks: LoneWorker.limit)
        #expect(worker.end == nil)
        worker.pass(ticks: 2)
        #expect(worker.end?.reason == .clusterUnreachable)
    }

    @Test func aCoordinatorThatIsBackIsWaitedForAnew() {
        var worker = Self.afterAnAbsence(ticks: 5000)
        worker.pass(ticks: 90)
        worker.acknowledge(.initial)
        worker.pass(ticks: LoneWorker.limit)
        #expect(worker.end == nil)
    }

    @Test func aClipForWhichItWaitsIsWaitedForFromThenOn() {
        var worker = LoneWorker(stepCount: 3)
        worker.join()
        worker.pass(ticks: 1000)
        worker.handle(
            .clipUnreadable(MaskedClip(step: Step(1), clipIndex: 5), reason: "damaged"))

        worker.pass(ticks: LoneWorker.limit)
        #expect(worker.end == nil)
        worker.pass(ticks: 2)
        #expect(worker.end?.reason == .clusterUnreachable)
    }

    /// Steps that go on need nobody; one whose sums do not come does, from its beginning on.
    @Test func anExchangeThatLastsIsWaitedForFromItsBeginning() {
        var worker = LoneWorker(stepCount: 3)
        worker.join()
        worker.pass(ticks: 1000)
        #expect(worker.end == nil)
        worker.handle(.laneFinished(step: Step(1), attempt: 1, lane: 0))

        worker.pass(ticks: LoneWorker.limit)
        #expect(worker.end == nil)
        worker.pass(ticks: 1)
        #expect(worker.end?.reason == .clusterUnreachable)
    }

    @Test(arguments: [(2, false), (3, true)] as [(UInt64, Bool)])
    func allIsDoneOnlyWhenTheLastCheckpointIsSafe(_ checkpoint: UInt64, isDone: Bool) {
        var worker = Self.afterAnAbsence(ticks: 0)
        worker.acknowledge(Step(3), checkpoint: Step(checkpoint))

        worker.pass(ticks: LoneWorker.limit + 2)

        #expect(worker.end?.reason == (isDone ? .success : .clusterUnreachable))
        let isMissing = worker.end?.text.contains("checkpoint of step 3, the last, may be missing")
        #expect(isMissing == !isDone)
    }
}
