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
        #expect(steps == Array(1...cluster.stepCount), "seed \(seed)")
        for report in cluster.committed {
            let expected = cluster.reference[report.step]?.stateHash
            #expect(report.stateHash == expected, "seed \(seed), step \(report.step)")
        }
    }

    static func scenario(
        seed: UInt64, workerCount: Int, _ faults: VirtualCluster.Faults = .init()
    ) -> Scenario {
        var scenario = Scenario(seed: seed, workerCount: workerCount)
        scenario.faults = faults
        return scenario
    }

    @Test(arguments: 1...16)
    func aQuietRunComputesEachLaneOnceAndEndsInTheSameState(_ workerCount: Int) {
        let cluster = VirtualCluster(Self.scenario(seed: 5, workerCount: workerCount))
        cluster.run()

        expectWhole(cluster, 5)
        #expect(cluster.counts.lanes == cluster.reference.laneCount)
        #expect(cluster.counts.joined == workerCount)
        #expect(cluster.workerOutcomes.map(\.0) == Array(repeating: .success, count: workerCount))
        #expect(cluster.counts.snapshotsMax <= 2, "each is as large as the state")
        #expect(cluster.counts.faults == FaultCounts())
    }

    /// Nobody has it from the seed, and nobody takes it from there.
    @Test func aGivenStateIsFetchedByEveryWorker() {
        var scenario = Self.scenario(seed: 5, workerCount: 3)
        scenario.hasGivenState = true
        let cluster = VirtualCluster(scenario)
        cluster.run()

        expectWhole(cluster, 5)
        #expect(cluster.counts.catchUps == ["fetchState": 3])
    }

    /// The workers finish what they can do alone, and then no process waits for ever: 600 ticks of
    /// silence are the limit of these workers.
    @Test(arguments: [(moment: 20, deaths: []), (moment: 20, deaths: [21])])
    func withoutTheCoordinatorForGoodEveryWorkerEnds(_ loss: (moment: Int, deaths: [Int])) {
        var faults = VirtualCluster.Faults()
        faults.coordinatorAbsence = 1_000_000
        faults.incidents =
            [.init(loss.moment, .coordinatorCrash)] + loss.deaths.map { .init($0, .workerCrash) }
        let cluster = VirtualCluster(Self.scenario(seed: 3, workerCount: 3, faults))
        cluster.run(ticksMax: 3000)

        #expect(cluster.counts.faults[.coordinatorCrash] == 1)
        #expect(cluster.counts.faults[.workerCrash] == loss.deaths.count)
        #expect(cluster.committed.count < Self.stepCount)
        // A worker that is started later, in place of a dead one, finds nobody and ends, too.
        #expect(cluster.workerOutcomes.map(\.0) == Array(repeating: .clusterUnreachable, count: 3))
    }

    /// Hundreds of reports wait for it, and most of the states that it is told of are gone.
    @Test func aCoordinatorThatWasAwayForHundredsOfShortStepsCatchesUp() {
        var faults = VirtualCluster.Faults()
        faults.laneUnits = 1...2
        faults.coordinatorAbsence = 500
        faults.incidents = [.init(50, .coordinatorCrash)]
        var scenario = Self.scenario(seed: 4, workerCount: 2, faults)
        scenario.task.stepCount = 500
        scenario.task.checkpointEverySteps = 3
        let cluster = VirtualCluster(scenario)
        cluster.run(ticksMax: 1500)

        expectWhole(cluster, 4)
        #expect(cluster.counts.coordinatorLives == 2)
        #expect(cluster.workerOutcomes.map(\.0) == [.success, .success])
    }

    @Test func secondAttemptsSkippedStepsAndUnreadableClips() throws {
        var scenario = Self.scenario(seed: 6, workerCount: 3)
        scenario.task.outlierSteps = [2, 9, 24]
        scenario.task.notFiniteSteps = [11]
        scenario.task.unreadable = [
            try #require(scenario.task.firstClip(step: Step(1), lane: 0)),
            try #require(scenario.task.firstClip(step: Step(9), lane: 7)),
            try #require(scenario.task.firstClip(step: Step(23), lane: 3)),
        ]
        let cluster = VirtualCluster(scenario)
        cluster.run()

        expectWhole(cluster, 6)
        let twice = cluster.committed.filter { $0.attempts == 2 }
        #expect(Set(twice.map(\.step.number)).isSuperset(of: [1, 2, 9, 24]))
        #expect(cluster.counts.secondAttempts == twice.count * 3)
        #expect(cluster.committed.filter(\.skipped).map(\.step.number) == [11])
        #expect(cluster.masked == scenario.task.unreadable)
        // The reference was told of the same clips, and they make a difference.
        scenario.task.unreadable = []
        #expect(cluster.reference[Step(24)] != OneWorkerRun.of(scenario.task)[Step(24)])
    }

    /// What the sums decide by themselves: the first step, outliers of the data, rare rows.
    @Test func someStepsNeedASecondAttemptWithoutBeingMadeTo() {
        let steps = OneWorkerRun.of(TinyTask.Configuration()).steps
        let twice = steps.indices.filter { steps[$0].attempts == 2 }

        #expect(twice.first == 0)
        #expect((2...8).contains(twice.count), "\(twice)")
    }
}
