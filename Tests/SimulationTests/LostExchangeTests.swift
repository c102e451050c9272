// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives
import Testing

@testable import Simulation

/// When an exchange is run again, and when it is only waited for.
extension VirtualClusterTests {
    private static let seeds: [UInt64] = Array(1...30)
    /// Longer than a tick, so that a heartbeat tells the attempts of step 1 apart.
    private static let seenLaneUnits = 110...180

    private func run(_ seed: UInt64, _ faults: VirtualCluster.Faults) -> VirtualCluster {
        let cluster = VirtualCluster(Self.scenario(seed: seed, workerCount: 3, faults))
        cluster.run()
        expectWhole(cluster, seed)
        return cluster
    }

    /// Which exchanges were given up and after how long; who waited for whom is looked at here.
    private func stalls(_ cluster: VirtualCluster) -> [String] {
        let all = cluster.events.filter { $0.contains("on their way") }
        // Nobody has got anything of anybody.
        #expect(all.allSatisfy { $0.ranges(of: "2 workers wait for worker ").count == 3 })
        return all.compactMap { $0.split(separator: ": ").first.map(String.init) }
    }

    /// Whatever is lost for ever in one generation: the next one has the sums, with twice the
    /// patience as long as they stay away, and no lane is computed again.
    @Test(arguments: seeds)
    func sumsThatGotLostAreExchangedAgain(_ seed: UInt64) {
        var faults = VirtualCluster.Faults()
        faults.lostExchanges = [8: 3, 24: 1]
        faults.laneUnits = Self.seenLaneUnits

        let cluster = run(seed, faults)

        #expect(cluster.counts.faults[.exchangeLost] == 4)
        #expect(
            stalls(cluster) == [
                "the sums of step 8 have been on their way for 5 s",
                "the sums of step 8 have been on their way for 10 s",
                "the sums of step 8 have been on their way for 20 s",
                "the sums of step 24 have been on their way for 5 s",
            ])
        #expect(cluster.generationCount == 5)
        #expect(cluster.counts.lanes == cluster.reference.laneCount)
    }

    @Test(arguments: seeds)
    func whoComputesForLongIsWaitedFor(_ seed: UInt64) {
        var faults = VirtualCluster.Faults()
        faults.slowLanes = [1: 300, 9: 400, 10: 60]

        let cluster = run(seed, faults)

        #expect(cluster.counts.faults[.workerSlow] == 3)
        #expect(stalls(cluster) == [])
        #expect(cluster.generationCount == 1)
    }

    /// The run is over before the state has come, and as early as without anybody who fetches one.
    @Test(arguments: seeds)
    func whoFetchesAStateForLongHoldsUpNobody(_ seed: UInt64) {
        var faults = VirtualCluster.Faults()
        faults.incidents = [.init(30, .workerJoin)]
        faults.stateTicks = 300

        let cluster = run(seed, faults)

        // Who asks before the state is encoded asks once more.
        #expect((1...2).contains(cluster.counts.catchUps["fetchState"] ?? 0))
        #expect(stalls(cluster) == [])
        #expect(cluster.generationCount == 1)
    }

    /// It gets the state of one step and the results of those after it while the others go on, and
    /// then nobody has to wait for it.
    @Test(arguments: seeds)
    func whoJoinsFollowsTheOthersFirst(_ seed: UInt64) {
        var faults = VirtualCluster.Faults()
        faults.incidents = [.init(20, .workerJoin)]
        faults.laneUnits = Self.seenLaneUnits
        // The others are some steps ahead when it has come.
        faults.stateTicks = 10

        let cluster = run(seed, faults)

        #expect(cluster.counts.catchUps["fetchState"] == 1)
        #expect(cluster.counts.catchUps["fetchReduced", default: 0] >= 1)
        #expect(cluster.counts.joined == 4)
        #expect(cluster.generationCount == 2)
    }

    /// Exchanges of 40 ticks are in order, and the time without a coordinator is nobody's fault.
    @Test(arguments: seeds)
    func aCoordinatorThatWasAwayGivesUpNothing(_ seed: UInt64) {
        var faults = VirtualCluster.Faults()
        faults.exchangeTicks = 40
        faults.laneUnits = Self.seenLaneUnits
        faults.incidents = [60, 300].map { .init($0, .coordinatorCrash) }
        faults.coordinatorAbsence = 110

        let cluster = run(seed, faults)

        #expect(cluster.counts.faults[.coordinatorCrash] == 2)
        #expect(stalls(cluster) == [])
        #expect(cluster.generationCount == 1)
    }

    /// What takes 80 ticks is given up after 50 once, and never again.
    @Test(arguments: seeds)
    func aSlowNetworkIsLearnt(_ seed: UInt64) {
        var faults = VirtualCluster.Faults()
        faults.exchangeTicks = 80
        faults.laneUnits = Self.seenLaneUnits

        let cluster = run(seed, faults)

        #expect(
            stalls(cluster) == [
                "the sums of step 1 have been on their way for 5 s"
            ])
        #expect(cluster.generationCount == 2)
    }
}
