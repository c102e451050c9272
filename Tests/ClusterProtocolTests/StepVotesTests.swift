// SPDX-License-Identifier: Apache-2.0
import Primitives
import Testing

@testable import ClusterProtocol

/// Which report commits a step, and who is wrong.
@Suite struct StepVotesTests {
    private static let step = Step(7)

    private static func report(_ hash: [UInt8], step: Step = step) -> StepReport {
        StepReport(
            generation: Generation(1), step: step, skipped: false, attempts: 1, stateHash: hash,
            payload: [])
    }

    /// - Parameter hashes: what workers 0, 1, … have reported; nil = nothing yet.
    private static func votes(_ hashes: [UInt8?]) -> (StepVotes, Set<WorkerID>) {
        var votes = StepVotes(stateHashes: [:])
        for (worker, hash) in hashes.enumerated() {
            guard let hash else { continue }
            votes.add(report([hash]), from: WorkerID(UInt64(worker)))
        }
        return (votes, Set(hashes.indices.map { WorkerID(UInt64($0)) }))
    }

    private static func decision(_ hashes: [UInt8?]) -> StepVotes.Decision {
        let (votes, voters) = votes(hashes)
        return votes.decision(for: step, voters: voters)
    }

    private static func commits(_ hash: UInt8, dissenters: [UInt64] = []) -> StepVotes.Decision {
        .commits(report([hash]), dissenters: dissenters.map { WorkerID($0) })
    }

    @Test(
        arguments: [
            ([5], commits(5)), ([nil], .waits), ([], .waits), ([5, nil], .waits),
            ([5, 5], commits(5)), ([5, 5, nil], commits(5)),
            ([5, nil, nil], .waits), ([5, 6, nil], .waits),
            ([5, 6, 5], commits(5, dissenters: [1])),
            ([6, 5, 5], commits(5, dissenters: [0])),
            ([5, 5, 6, 7], commits(5, dissenters: [2, 3])),
            ([5, 6], .isSplit([WorkerID(0), WorkerID(1)])),
            ([5, 6, 6, 5], .isSplit([0, 1, 2, 3].map { WorkerID($0) })),
        ] as [([UInt8?], StepVotes.Decision)])
    func theMajorityDecides(_ hashes: [UInt8?], _ expected: StepVotes.Decision) {
        #expect(Self.decision(hashes) == expected)
        // What saves the look at all reports never hides a decision.
        let (votes, voters) = Self.votes(hashes)
        if expected != .waits {
            #expect(votes.mayDecide(Self.step, voterCount: voters.count))
        }
    }

    @Test func aStepWithoutAHashIsCommittedByItsFirstReport() {
        var votes = StepVotes(stateHashes: [:])
        votes.add(Self.report([]), from: WorkerID(3))

        #expect(votes.mayDecide(Self.step, voterCount: 9))
        let decision = votes.decision(
            for: Self.step, voters: Set((0..<9).map { WorkerID($0) }))
        #expect(decision == .commits(Self.report([]), dissenters: []))
    }

    @Test func whoIsNoMemberDoesNotVote() {
        var (votes, voters) = Self.votes([5, 5, nil])
        for stranger in 10...20 as ClosedRange<UInt64> {
            votes.add(Self.report([9]), from: WorkerID(stranger))
        }

        #expect(votes.decision(for: Self.step, voters: voters) == Self.commits(5))
    }

    @Test func aLateReportThatDiffersIsWrongWhenOthersHaveConfirmedTheLedger() {
        var (votes, _) = Self.votes([5, 5, nil])
        votes.settle(Self.report([5]))

        #expect(votes.compare(Self.report([5]), from: WorkerID(2), voterCount: 3) == .agrees)
        #expect(
            votes.compare(Self.report([6]), from: WorkerID(2), voterCount: 3)
                == .isWrong([WorkerID(2)]))
    }

    /// A step that is executed again after a restart: whoever is alone with the ledger decides.
    @Test func anExecutionThatDiffersWaitsForTheWordOfAnother() {
        var votes = StepVotes(stateHashes: [Self.step: [5]])

        #expect(votes.compare(Self.report([6]), from: WorkerID(0), voterCount: 3) == .agrees)
        #expect(
            votes.compare(Self.report([5]), from: WorkerID(1), voterCount: 3)
                == .isWrong([WorkerID(0)]))
        #expect(votes.compare(Self.report([5]), from: WorkerID(2), voterCount: 3) == .agrees)
    }

    @Test(arguments: 1...3)
    func whenAllDifferFromTheLedgerItIsContradicted(_ voterCount: Int) {
        var votes = StepVotes(stateHashes: [Self.step: [5]])
        let verdicts = (0..<voterCount).map {
            votes.compare(Self.report([6]), from: WorkerID(UInt64($0)), voterCount: voterCount)
        }

        #expect(verdicts.last == .contradictsLedger)
        #expect(verdicts.dropLast().allSatisfy { $0 == .agrees })
    }

    @Test func aCheckpointMakesOlderStepsFinal() {
        var votes = StepVotes(stateHashes: [Step(6): [1], Self.step: [5]])
        votes.forget(through: Step(6))

        #expect(votes.stateHashes == [Self.step: [5]])
    }
}
