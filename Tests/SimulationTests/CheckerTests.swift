// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives
import Testing

@testable import Simulation

/// A checker that cannot fail proves nothing: each one finds the defect that was planted for it.
@Suite struct CheckerTests {
    /// The findings of histories with a defect, until there is one.
    private func finding(_ defect: Defect) -> String? {
        (1...200 as ClosedRange<UInt64>).lazy.compactMap { seed in
            SeedResult(seed: seed, defect: defect).violation
        }.first
    }

    @Test(arguments: [
        (Defect.doublesLane, "has another state after step 7"),
        (.takesForeignLanes, "computes lanes"),
        (.losesClip, "step 3 consumed"),
        (.takesOldFrames, "took a frame of generation"),
        (.announcesBeforePersisting, "before it was durable"),
        (.commitsTwice, "was committed after step"),
        (.hoardsSnapshots, "snapshots, each as large as the state"),
        (.stallsWhenHealed, "not finished after"),
    ])
    func aPlantedDefectIsFound(_ defect: Defect, _ sentence: String) {
        let finding = finding(defect)

        #expect(finding?.contains(sentence) == true, "\(finding ?? "nothing")")
    }

    @Test func everyDefectIsPlantedByATest() {
        #expect(Defect.allCases.count == 8)
    }

    @Test func aStepOfSomebodyWhoIsNoMemberIsFound() {
        var log = CoordinatorLog()
        log.apply(
            .generation(
                Generation(3),
                members: [
                    Member(
                        worker: WorkerID(4), dataEndpoint: "", threadCount: 1, hostName: "",
                        processIdentifier: 1)
                ]))
        let report = StepReport(
            generation: Generation(2), step: Step(1), skipped: false, attempts: 1, stateHash: [],
            payload: [])
        var checker = FencingChecker()

        let sentence = "step 1 was committed by a worker that is no member of generation 3"
        #expect(checker.onCommit(report, log) == sentence)
        checker.onReport(report, WorkerID(5))
        #expect(checker.onCommit(report, log) == sentence)
        checker.onReport(report, WorkerID(4))
        #expect(checker.onCommit(report, log) == nil)
    }
}
