// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives
import Testing

/// Standing still, ending and leaving: nothing that was computed is lost.
@Suite struct CoordinatorHoldTests {
    private typealias Scene = RestoredCluster

    private func plans(_ directives: [CoordinatorCore.Directive]) -> [StepPlan] {
        directives.compactMap { if case .persist(.plan(let plan)) = $0 { plan } else { nil } }
    }

    private func stop(_ directives: [CoordinatorCore.Directive]) -> String? {
        directives.lazy.compactMap {
            if case .broadcast(_, .stop(let reason)) = $0 { reason } else { nil }
        }.first
    }

    @Test func aPausedRunStandsStillWithASafeStateUntilItIsResumed() throws {
        var scene = Scene()
        _ = scene.takeHeard()

        scene.hear(.pauseRequested)
        scene.ready([1, 2], generation: 2)
        let asked = scene.takeHeard()
        #expect(asked.contains(.persist(.paused(true))))
        #expect(plans(asked).isEmpty)
        let keeper = try #require(scene.keeper(of: Step(12), in: asked))
        scene.publish(Step(12), by: keeper)
        scene.pass(300)
        let held = scene.takeHeard()

        #expect(held.contains(.persist(.checkpoint(step: Step(12), stateHash: [5]))))
        #expect(plans(held).isEmpty)
        #expect(scene.core.snapshot.phase == "paused")
        #expect(scene.core.snapshot.waitingFor == ["paused: `accord resume` goes on"])

        scene.hear(.resumeRequested)
        #expect(plans(scene.takeHeard()).map(\.base) == [Step(12)])
    }

    @Test func aCoordinatorThatIsStartedAgainStaysPaused() {
        var log = CoordinatorLog()
        log.apply(.paused(true))
        #expect(log.isPaused)
        log.apply(.paused(false))
        #expect(!log.isPaused)
    }

    @Test func theEndOfARunWaitsForItsCheckpoint() throws {
        var scene = Scene()
        _ = scene.takeHeard()

        scene.hear(.stopRequested(reason: "interrupted"))
        scene.ready([1, 2], generation: 2)
        let asked = scene.takeHeard()
        #expect(stop(asked) == nil)
        let keeper = try #require(scene.keeper(of: Step(12), in: asked))
        scene.publish(Step(12), by: keeper)

        #expect(stop(scene.takeHeard()) == "interrupted; step 12 is safe")
    }

    /// Its word was lost with the connection, but it did what it was told.
    @Test func aWorkerThatIsGoneAfterTheEndIsNotEvicted() {
        var scene = Scene()
        scene.hear(.stopRequested(reason: "interrupted"))
        scene.pass(10)
        scene.hear(.stopRequested(reason: "interrupted"))
        _ = scene.takeHeard()

        for worker in [1, 2] as [UInt64] { scene.hear(.connectionBroke(WorkerID(worker))) }
        scene.pass(4, hearing: [])

        #expect(
            scene.takeHeard().last
                == .finish(.interrupted, "interrupted again: ended without a checkpoint"))
        #expect(scene.core.snapshot.evictionCount == 0)
    }

    // MARK: - Steps that some have applied

    private func committed(_ directives: [CoordinatorCore.Directive]) -> [StepReport] {
        directives.compactMap {
            if case .persist(.committed(let report)) = $0 { report } else { nil }
        }
    }

    private func report(_ step: UInt64, hash: UInt8) -> StepReport {
        StepReport(
            generation: Generation(1), step: Step(step), skipped: false, attempts: 1,
            stateHash: [hash], payload: [])
    }

    /// All stand still, and two have come one step further than the third.
    private func sceneOfTwoAhead() -> Scene {
        var scene = Scene([1, 2, 3])
        scene.hear(.pauseRequested)
        scene.ready([1, 2], generation: 2, applied: Step(13))
        scene.ready([3], generation: 2)
        _ = scene.takeHeard()
        return scene
    }

    @Test func whoHasAppliedAStepDecidesOnIt() {
        var scene = sceneOfTwoAhead()

        scene.hear(.stepApplied(report(13, hash: 5)), from: 1)
        #expect(committed(scene.takeHeard()).isEmpty, "the other may say something else")
        scene.hear(.stepApplied(report(13, hash: 5)), from: 2)
        #expect(committed(scene.takeHeard()) == [report(13, hash: 5)])
    }

    @Test func whenTheyDisagreeNobodyCanTell() {
        var scene = sceneOfTwoAhead()
        scene.hear(.stepApplied(report(13, hash: 5)), from: 1)
        scene.hear(.stepApplied(report(13, hash: 6)), from: 2)

        let heard = scene.takeHeard()
        #expect(committed(heard).isEmpty)
        #expect(stop(heard)?.contains("disagree on the state after step 13") == true)
    }

    /// Whoever has reported it stays.
    @Test func whoClaimsAStepAndNeverReportsItIsEvicted() {
        var scene = sceneOfTwoAhead()
        scene.hear(.stepApplied(report(13, hash: 5)), from: 1)
        scene.pass(101, hearing: [1, 2, 3])

        let evicted = scene.takeHeard().compactMap { directive in
            if case .send(let worker, .evicted) = directive { worker } else { nil }
        }
        #expect(evicted == [WorkerID(2)])
    }

    @Test func aSecondSignalEndsAtOnceUnlessItIsTheSame() {
        var scene = Scene()
        scene.hear(.stopRequested(reason: "interrupted"))
        scene.pass(5)
        scene.hear(.stopRequested(reason: "asked to end"))
        #expect(stop(scene.takeHeard()) == nil)

        scene.pass(5)
        scene.hear(.stopRequested(reason: "asked to end"))
        #expect(stop(scene.takeHeard()) == "asked to end again: ended without a checkpoint")
    }

    @Test func aCheckpointThatTakesTooLongDoesNotHoldUpTheEnd() {
        var scene = Scene()
        scene.hear(.stopRequested(reason: "interrupted"))
        scene.ready([1, 2], generation: 2)
        scene.pass(100)
        #expect(stop(scene.takeHeard()) == nil)
        scene.pass(1)
        #expect(
            stop(scene.takeHeard())
                == "interrupted; the checkpoint took too long: it is that of step 10")
    }

    /// After a step to which it has contributed, when another has applied it, too.
    @Test func aWorkerThatWantsToGoIsReleasedAfterItsStep() {
        var scene = Scene()
        scene.hear(.retire(reason: "asked to end"), from: 1)
        scene.pass(3)
        let released = CoordinatorCore.Directive.send(WorkerID(1), .released)
        #expect(!scene.takeHeard().contains(released))

        for number in [1, 2] as [UInt64] {
            #expect(!scene.takeHeard().contains(released))
            scene.hear(
                .stepApplied(
                    StepReport(
                        generation: Generation(1), step: Step(13), skipped: false, attempts: 1,
                        stateHash: [6], payload: [])), from: number)
        }

        #expect(scene.takeHeard().contains(released))
        #expect(scene.core.snapshot.members.map(\.processIdentifier) == [2])
    }

    @Test func aLongStepDoesNotKeepAWorkerThatWantsToGo() {
        var scene = Scene()
        scene.hear(.retire(reason: "asked to end"), from: 1)
        scene.pass(20)
        let released = CoordinatorCore.Directive.send(WorkerID(1), .released)
        #expect(!scene.takeHeard().contains(released))
        scene.pass(1)
        #expect(scene.takeHeard().contains(released))
    }

    @Test func theLastWorkersGoWhenTheirStateIsSafe() throws {
        var scene = Scene()
        for number in [1, 2] as [UInt64] {
            scene.hear(.retire(reason: "asked to end"), from: number)
        }
        scene.ready([1, 2], generation: 2)
        let asked = scene.takeHeard()
        #expect(!asked.contains(.send(WorkerID(1), .released)))
        let keeper = try #require(scene.keeper(of: Step(12), in: asked))
        scene.publish(Step(12), by: keeper)

        let last = scene.takeHeard()
        #expect(last.contains(.send(WorkerID(1), .released)))
        #expect(last.contains(.send(WorkerID(2), .released)))
        #expect(scene.core.snapshot.phase == "gathering")
    }

    @Test func aRunThatWasInterruptedHasEndedButIsNotFinished() {
        var scene = Scene()
        scene.hear(.stopRequested(reason: "SIGTERM"))
        scene.pass(200)

        #expect(scene.core.snapshot.phase == "ended")
        #expect(scene.core.snapshot.hasEnded)
    }

    @Test func theOddOneOutIsNamedAndEvictedAndTheStepIsCommitted() {
        var scene = Scene([1, 2, 3])
        _ = scene.takeHeard()
        for (number, hash) in [(3, 9), (1, 6), (2, 6)] as [(UInt64, UInt8)] {
            scene.hear(
                .stepApplied(
                    StepReport(
                        generation: Generation(1), step: Step(13), skipped: false, attempts: 1,
                        stateHash: [hash], payload: [])), from: number)
        }

        let heard = scene.takeHeard()
        let hashes = heard.compactMap { directive -> [UInt8]? in
            if case .persist(.committed(let report)) = directive { report.stateHash } else { nil }
        }
        #expect(hashes == [[6]])
        let evicted = heard.compactMap { directive -> (WorkerID, String)? in
            if case .send(let worker, .stateIsWrong(let reason)) = directive {
                (worker, reason)
            } else {
                nil
            }
        }
        #expect(evicted.map(\.0) == [WorkerID(3)])
        #expect(evicted.first?.1.contains("its state after step 13") == true)
        #expect(scene.core.snapshot.divergenceCount == 1)
        #expect(scene.core.snapshot.evictionCount == 1)
    }

    @Test func ofTwoThatDifferNobodyIsBelieved() {
        var scene = Scene()
        for (number, hash) in [(1, 9), (2, 6)] as [(UInt64, UInt8)] {
            scene.hear(
                .stepApplied(
                    StepReport(
                        generation: Generation(1), step: Step(13), skipped: false, attempts: 1,
                        stateHash: [hash], payload: [])), from: number)
        }

        let text = stop(scene.takeHeard())
        #expect(text?.contains("0000000000000001 and 0000000000000002 disagree") == true)
        #expect(scene.core.committed == Step(12))
    }
}
