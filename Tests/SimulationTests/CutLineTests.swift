// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives
import Testing

@testable import Simulation

/// Lines between workers that stay cut while the coordinator reaches both ends.
extension VirtualClusterTests {
    private static let directions: [NetworkCut.Direction] = [.outwards, .inwards, .both]

    /// Nothing heals: the run goes on without one of the two.
    @Test(arguments: directions, [true, false])
    func aLineThatStaysCutEndsNoRun(_ direction: NetworkCut.Direction, holdsBack: Bool) {
        for seed in 1...20 as ClosedRange<UInt64> {
            var faults = VirtualCluster.Faults()
            faults.restartsWorkers = true
            let cut = NetworkCut(
                shape: .line(1, Int(seed % 2)), direction: direction, planes: .data,
                holdsBack: holdsBack)
            faults.incidents = [.init(30, .cut(cut, ticks: 1_000_000))]
            let cluster = VirtualCluster(Self.scenario(seed: seed, workerCount: 3, faults))

            cluster.run(ticksMax: 3000)

            #expect(cluster.counts.faults[.lineCut] == 1)
            expectWhole(cluster, seed)
            let evictions = cluster.events.filter { $0.hasPrefix("evicted ") }
            #expect(evictions.count <= 1, "seed \(seed): \(evictions)")
            let isGone = evictions.contains { $0.hasSuffix(" does not reach it") }
            let hasLeft = cluster.events.contains { $0.contains("cannot catch up") }
            #expect(isGone || hasLeft, "seed \(seed): \(cluster.events)")
        }
    }

    /// Stalls in a row, and every line carries what is sent: nobody is evicted.
    @Test(arguments: 1...20)
    func aSlowNetworkEvictsNobody(_ seed: UInt64) {
        var faults = VirtualCluster.Faults()
        // Longer than the first three attempts last.
        faults.exchangeTicks = 250
        faults.laneUnits = 110...180
        var scenario = Self.scenario(seed: seed, workerCount: 3, faults)
        scenario.task.stepCount = 3
        let cluster = VirtualCluster(scenario)

        cluster.run()

        expectWhole(cluster, seed)
        #expect(cluster.generationCount == 4, "three stalls")
        #expect(!cluster.events.contains { $0.hasPrefix("evicted ") })
        #expect(cluster.counts.sightings >= 3)
    }
}
