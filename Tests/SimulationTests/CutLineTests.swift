// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives
import Testing

@testable import Simulation

/// Lines between workers that stay cut while the coordinator reaches both ends.
extension VirtualClusterTests {
    private static let directions: [NetworkCut.Direction] = [.outwards, .inwards, .both]

    /// Three workers, of whom two lose their line soon, for so many ticks; whoever ends comes back.
    private static func scenario(
        _ seed: UInt64, _ direction: NetworkCut.Direction, holdsBack: Bool, ticks: Int
    ) -> Scenario {
        var faults = VirtualCluster.Faults()
        faults.restartsWorkers = true
        let cut = NetworkCut(
            shape: .line(1, Int(seed % 2)), direction: direction, planes: .data,
            holdsBack: holdsBack)
        faults.incidents = [.init(30, .cut(cut, ticks: ticks))]
        return scenario(seed: seed, workerCount: 3, faults)
    }

    /// Nothing heals: the run goes on without one of the two, which comes back behind the same line
    /// and waits outside.
    @Test(arguments: directions, [true, false])
    func aLineThatStaysCutEndsNoRun(_ direction: NetworkCut.Direction, holdsBack: Bool) {
        for seed in 1...20 as ClosedRange<UInt64> {
            let cluster = VirtualCluster(
                Self.scenario(seed, direction, holdsBack: holdsBack, ticks: 1_000_000))

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

    /// Steps enough for a cut, the eviction, the end of the cut and the way back.
    @Test(arguments: directions)
    func whoeverIsBehindALineComesBackWhenItIsWhole(_ direction: NetworkCut.Direction) {
        var evictionCount = 0
        for seed in 1...8 as ClosedRange<UInt64> {
            var scenario = Self.scenario(seed, direction, holdsBack: false, ticks: 800)
            scenario.task.stepCount = 300
            let cluster = VirtualCluster(scenario)

            cluster.run(ticksMax: 5000)

            expectWhole(cluster, seed)
            let evictions = cluster.events.filter { $0.hasPrefix("evicted ") }
            let ends = cluster.events.filter { $0.hasSuffix(" reach each other again") }
            // Some leave by themselves, because they cannot catch up, and return after the cut.
            #expect(evictions.count <= 1, "seed \(seed): \(evictions)")
            #expect(ends.count == evictions.count, "seed \(seed): \(ends)")
            evictionCount += evictions.count
            #expect(cluster.log.members.count == 3, "seed \(seed): \(cluster.events)")
        }
        #expect(evictionCount > 1)
    }

    /// Nine lines are cut for good, and two stalls show them all.
    @Test(arguments: 1...10)
    func sixWorkersOfWhomThreeReachNoneOfTheOthersGoOnAsThree(_ seed: UInt64) {
        var faults = VirtualCluster.Faults()
        faults.restartsWorkers = true
        for near in 1...3 {
            for far in 4...6 {
                let cut = NetworkCut(
                    shape: .line(near, far - near - 1), direction: .both, planes: .data,
                    holdsBack: false)
                faults.incidents.append(.init(30, .cut(cut, ticks: 1_000_000)))
            }
        }
        let cluster = VirtualCluster(Self.scenario(seed: seed, workerCount: 6, faults))

        cluster.run(ticksMax: 3000)

        expectWhole(cluster, seed)
        #expect(cluster.counts.faults[.lineCut] == 9)
        let evictions = cluster.events.filter { $0.hasPrefix("evicted ") }
        #expect(evictions.count == 3, "\(evictions)")
        #expect(cluster.events.filter { $0.hasSuffix("starting again") }.count <= 2)
        #expect(cluster.log.members.count == 3)
    }

    /// Whoever loses its lines one after another does not send away all the others.
    @Test func aMachineThatLosesOneLineAfterAnotherGoesItself() {
        var sparedCount = 0
        for seed in 1...10 as ClosedRange<UInt64> {
            var faults = VirtualCluster.Faults()
            faults.restartsWorkers = true
            for tick in [30, 700] {
                let cut = NetworkCut(
                    shape: .line(1, 0), direction: .both, planes: .data, holdsBack: false)
                faults.incidents.append(.init(tick, .cut(cut, ticks: 1_000_000)))
            }
            var scenario = Self.scenario(seed: seed, workerCount: 3, faults)
            scenario.task.stepCount = 250
            let cluster = VirtualCluster(scenario)

            cluster.run(ticksMax: 5000)

            expectWhole(cluster, seed)
            #expect(cluster.counts.faults[.lineCut] == 2)
            // Some leave by themselves after the first cut, so that nobody knows of it.
            let known = cluster.events.filter { $0.contains(" do not reach each other;") }
            guard known.count == 2 else { continue }
            sparedCount += 1
            #expect(cluster.log.members.count == 2, "seed \(seed): \(cluster.events)")
        }
        #expect(sparedCount > 5)
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
