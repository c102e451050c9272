// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives
import Testing

@testable import Simulation

/// Workers that the coordinator hears and cannot fetch anything from, and a coordinator that comes
/// back in the moment in which it is needed.
extension VirtualClusterTests {
    /// The first worker to start, from the beginning, for good: no data passes to the coordinator.
    private static func scenario(_ seed: UInt64, workerCount: Int) -> Scenario {
        var faults = VirtualCluster.Faults()
        faults.restartsWorkers = true
        let cut = NetworkCut(
            shape: .line(0, 0), direction: .both, planes: .data, holdsBack: false)
        faults.incidents = [.init(1, .cut(cut, ticks: 1_000_000))]
        return scenario(seed: seed, workerCount: workerCount, faults)
    }

    @Test(arguments: 1...8 as ClosedRange<UInt64>)
    func oneFromWhomNothingCanBeFetchedEndsNoRun(_ seed: UInt64) {
        let cluster = VirtualCluster(Self.scenario(seed, workerCount: 3))

        cluster.run(ticksMax: 1500)

        expectWhole(cluster, seed)
        #expect(cluster.counts.faults[.lineCut] == 1)
        #expect(!cluster.events.contains { $0.hasPrefix("evicted ") })
    }

    /// Checkpoints are seldom: another state is taken before the next is due.
    @Test func aCheckpointThatCannotBeHadIsMadeUpForBeforeTheNext() {
        var madeUpCount = 0
        for seed in 1...8 as ClosedRange<UInt64> {
            var scenario = Self.scenario(seed, workerCount: 3)
            scenario.task.stepCount = 200
            scenario.task.checkpointEverySteps = 100
            let cluster = VirtualCluster(scenario)

            cluster.run(ticksMax: 4000)

            expectWhole(cluster, seed)
            for case .checkpoint(let step, _) in cluster.disk.records
            where !step.number.isMultiple(of: 100) {
                madeUpCount += 1
            }
        }
        #expect(madeUpCount > 0)
    }

    /// Everybody works on without it for longer than it would be waited for, and it comes back just
    /// after the last step.
    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func aCoordinatorThatReturnsAfterTheLastStepFindsItsWorkers(_ seed: UInt64) {
        var faults = VirtualCluster.Faults()
        faults.laneUnits = 100...120
        faults.coordinatorAbsence = 900
        faults.incidents = [.init(20, .coordinatorCrash)]
        var scenario = Self.scenario(seed: seed, workerCount: 2, faults)
        scenario.task.stepCount = 150
        let cluster = VirtualCluster(scenario)

        cluster.run(ticksMax: 3000)

        expectWhole(cluster, seed)
        #expect(cluster.counts.coordinatorLives == 2)
        #expect(cluster.workerOutcomes.map(\.0) == [.success, .success])
    }
}
