// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives
import Testing

@testable import Simulation

/// Whole runs of the real cores, on one seed each.
@Suite struct VirtualClusterTests {
    static let stepCount: UInt64 = 24

    /// Promises 1 to 3: everything is committed once, in order, with the state of a quiet run.
    func expectWhole(_ cluster: VirtualCluster, _ seed: UInt64) {
        #expect(cluster.violation == nil, "seed \(seed)")
        #expect(cluster.outcome?.0 == .success, "seed \(seed)")
        let steps = cluster.committed.map(\.step.number)
        #expect(steps == Array(1...Self.stepCount), "seed \(seed)")
        for report in cluster.committed {
            let expected = VirtualWorker.hash(VirtualWorker.state(at: report.step))
            #expect(report.stateHash == expected, "seed \(seed), step \(report.step)")
        }
    }

    @Test(arguments: [1, 2, 3, 5, 8, 11])
    func aQuietRunComputesEachLaneOnce(_ workerCount: Int) {
        let cluster = VirtualCluster(
            seed: 5, workerCount: workerCount, stepCount: Self.stepCount)
        cluster.run()

        expectWhole(cluster, 5)
        #expect(cluster.counts.lanes == Int(Self.stepCount) * VirtualCluster.laneCount)
        #expect(cluster.counts.joined == workerCount)
        #expect(cluster.workerOutcomes.map(\.0) == Array(repeating: .success, count: workerCount))
        #expect(cluster.counts.snapshotsMax <= 2, "each is as large as the state")
    }

    /// Nobody has it from the seed, and nobody takes it from there.
    @Test func aGivenStateIsFetchedByEveryWorker() {
        let cluster = VirtualCluster(
            seed: 5, workerCount: 3, stepCount: Self.stepCount, hasGivenState: true)
        cluster.run()

        expectWhole(cluster, 5)
        #expect(cluster.counts.catchUps == ["fetchState": 3])
    }

    /// The workers finish what they can do alone, and then no process waits for ever: 600 ticks of
    /// silence are the limit of these workers.
    @Test(arguments: [(moment: 20, deaths: []), (moment: 20, deaths: [21])])
    func withoutTheCoordinatorForGoodEveryWorkerEnds(_ loss: (moment: Int, deaths: [Int])) {
        var faults = VirtualCluster.Faults()
        faults.coordinatorDeaths = [loss.moment]
        faults.coordinatorAbsence = 1_000_000
        faults.workerDeaths = loss.deaths
        let cluster = VirtualCluster(
            seed: 3, workerCount: 3, stepCount: Self.stepCount, faults: faults)
        cluster.run(ticksMax: 3000)

        #expect(cluster.counts.coordinatorDeaths == 1)
        #expect(cluster.counts.workerDeaths == loss.deaths.count)
        #expect(cluster.committed.count < Self.stepCount)
        // A worker that is started later, in place of a dead one, finds nobody and ends, too.
        #expect(cluster.workerOutcomes.map(\.0) == Array(repeating: .clusterUnreachable, count: 3))
    }

    @Test func secondAttemptsAndUnreadableClips() {
        var faults = VirtualCluster.Faults()
        faults.secondAttempts = [1, 2, 9, 24]
        faults.unreadable = [
            MaskedClip(step: Step(1), clipIndex: 4): 0, MaskedClip(step: Step(9), clipIndex: 2): 7,
            MaskedClip(step: Step(24), clipIndex: 9): 3,
        ]
        let cluster = VirtualCluster(
            seed: 6, workerCount: 3, stepCount: Self.stepCount, faults: faults)
        cluster.run()

        expectWhole(cluster, 6)
        #expect(cluster.counts.secondAttempts == 4 * 3)
        #expect(cluster.committed.filter { $0.attempts == 2 }.map(\.step.number) == [1, 2, 9, 24])
        #expect(cluster.masked == Set(faults.unreadable.keys))
    }

    /// Every kind of fault at once, drawn from the seed.
    @Test func anyFaultsLeadToTheSameHistory() {
        var total = VirtualCluster.Counts()
        for seed in 1...400 as ClosedRange<UInt64> {
            let cluster = Self.faultyCluster(seed)
            cluster.run()
            expectWhole(cluster, seed)
            total.lost += cluster.counts.lost
            total.doubled += cluster.counts.doubled
            total.lostResults += cluster.counts.lostResults
            total.workerDeaths += cluster.counts.workerDeaths
            total.brokenConnections += cluster.counts.brokenConnections
            total.retirements += cluster.counts.retirements
            total.pauses += cluster.counts.pauses
            total.coordinatorDeaths += cluster.counts.coordinatorDeaths
            total.secondAttempts += cluster.counts.secondAttempts
            total.catchUps.merge(cluster.counts.catchUps, uniquingKeysWith: +)
            if cluster.violation != nil { return }
        }
        #expect(total.lost > 1000)
        #expect(total.doubled > 1000)
        #expect(total.lostResults > 100)
        #expect(total.workerDeaths > 400)
        #expect(total.brokenConnections > 100)
        #expect(total.retirements > 100)
        #expect(total.pauses > 100)
        #expect(total.coordinatorDeaths > 200)
        #expect(total.secondAttempts > 400)
        for kind in ["initialState", "fetchReduced", "fetchState"] {
            #expect(total.catchUps[kind, default: 0] > 100, "\(kind)")
        }
    }

    static func faultyCluster(_ seed: UInt64) -> VirtualCluster {
        var generator = SeededGenerator(seed: seed, purpose: .testing, [1])
        var faults = VirtualCluster.Faults()
        faults.lostPercent = generator.next(below: 4) * 3
        faults.doubledPercent = generator.next(below: 3) * 5
        faults.lostResultsPerMille = generator.next(below: 3) * 10
        faults.workerDeaths = (0..<generator.next(below: 4)).map { _ in
            5 + generator.next(below: 120)
        }
        faults.retirements = (0..<generator.next(below: 3)).map { _ in
            5 + generator.next(below: 120)
        }
        faults.pauses = (0..<generator.next(below: 2)).map { _ in
            (5 + generator.next(below: 90), generator.next(below: 100))
        }
        faults.lateWorkers = (0..<generator.next(below: 5)).map { _ in
            5 + generator.next(below: 90)
        }
        faults.coordinatorDeaths = (0..<generator.next(below: 3)).map { _ in
            5 + generator.next(below: 120)
        }
        // Some absences are longer than the silence that evicts a member.
        faults.coordinatorAbsence = 5 + generator.next(below: 60)
        faults.secondAttempts = Set((0..<2).map { _ in UInt64(1 + generator.next(below: 24)) })
        for clip in 0..<generator.next(below: 3) {
            let step = Step(UInt64(1 + generator.next(below: 24)))
            faults.unreadable[MaskedClip(step: step, clipIndex: clip)] = generator.next(below: 8)
        }
        return VirtualCluster(
            seed: seed, workerCount: 1 + generator.next(below: 5), stepCount: stepCount,
            faults: faults, hasGivenState: seed.isMultiple(of: 3))
    }
}
