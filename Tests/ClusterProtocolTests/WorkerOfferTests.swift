// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives
import Testing

/// What a member keeps for others, and which plans it takes.
@Suite struct WorkerOfferTests {
    private static func keptStates(_ directives: [WorkerCore.Directive]) -> [UInt64] {
        directives.compactMap {
            if case .send(.snapshotReady(let step, _)) = $0 { step.number } else { nil }
        }
    }

    private static func keptResults(_ directives: [WorkerCore.Directive]) -> [UInt64?] {
        directives.compactMap {
            if case .keepResults(let step) = $0 { .some(step?.number) } else { nil }
        }
    }

    /// It is to keep step 5, and comes to it by fetching the state; then all stand still after step
    /// 5, and it is asked for the same.
    @Test func whatIsAskedForAgainInAHoldIsKept() {
        var worker = LoneWorker(stepCount: 100)
        worker.join()
        worker.acknowledge(.initial, offered: Step(5))
        worker.prepare()
        worker.begin(base: Step(5), .fetchState(from: [PeerAddress("tcp://h:1")]))
        worker.prepare()
        worker.handle(.caughtUp(Step(5), stateHash: [5]))
        #expect(Self.keptStates(worker.takeDirectives()) == [])

        worker.acknowledge(Step(5), offered: Step(5))
        #expect(Self.keptStates(worker.takeDirectives()) == [5])
        worker.acknowledge(Step(5), offered: Step(5))
        #expect(Self.keptStates(worker.takeDirectives()) == [], "once is enough")
    }

    /// A hold asks for a later state than joiners were told of. What they may have begun to fetch
    /// stays when the hold is over.
    @Test func aHoldTakesNothingFromJoiners() {
        var worker = LoneWorker(stepCount: 100)
        worker.join()
        worker.acknowledge(.initial, offered: Step(1))
        for _ in 1...3 { worker.takeStep() }
        #expect(Self.keptResults(worker.takeDirectives()) == [1])
        worker.prepare()
        worker.acknowledge(Step(3), offered: Step(3))
        #expect(Self.keptStates(worker.takeDirectives()).contains(3))

        worker.begin(base: Step(3))
        worker.takeStep()
        worker.acknowledge(Step(4), offered: Step(1))

        #expect(Self.keptResults(worker.takeDirectives()) == [])
    }

    /// A state that is kept for a hold before the one that joiners wait for.
    @Test func whatJoinersWaitForIsKeptAfterAHold() {
        var worker = LoneWorker(stepCount: 100)
        worker.join()
        worker.takeStep()
        worker.acknowledge(Step(1), offered: Step(2))
        worker.prepare()
        worker.acknowledge(Step(1), offered: Step(1))
        #expect(Self.keptResults(worker.takeDirectives()) == [1])

        worker.begin(base: Step(1))
        worker.acknowledge(Step(1), offered: Step(2))
        worker.takeStep()

        let told = worker.takeDirectives()
        #expect(Self.keptResults(told) == [2])
        #expect(Self.keptStates(told) == [2])
    }

    /// Scales that a member has told, for another model than this one.
    @Test(arguments: [(2, true), (3, false), (4, true)])
    func aPlanWithOtherScalesIsNotTaken(_ scaleCount: Int, isRefused: Bool) {
        var worker = LoneWorker(stepCount: 100)
        worker.join()
        worker.prepare()
        _ = worker.takeDirectives()

        worker.begin(attemptScales: [UInt8](repeating: 100, count: scaleCount))

        let end = worker.end
        let told = worker.takeDirectives()
        let hasBegun = told.contains {
            if case .resetAccumulator = $0 { true } else { false }
        }
        #expect(hasBegun == !isRefused)
        #expect(end?.reason == (isRefused ? .evicted : nil))
        guard isRefused else { return }
        let text = "the plan of generation 2 has \(scaleCount) scales for 3 tensors"
        #expect(end?.text == text)
        #expect(told.contains(.send(.leave(reason: text))), "the others do not wait for it")
    }
}
