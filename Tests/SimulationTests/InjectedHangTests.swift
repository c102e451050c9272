// SPDX-License-Identifier: Apache-2.0
import Primitives
import Testing

@testable import ClusterProtocol
@testable import Simulation

/// Promise 8: whatever hangs, the cluster says within two seconds who is waited for.
extension VirtualClusterTests {
    /// What stands still, for ever as far as the test is concerned.
    enum Hang: CaseIterable, Sendable {
        case frozenWorker, slowLane, line, outwardLines, lostSums
    }

    private static let workerCount = 4
    private static let hangTick = 35
    private static let hangTicks = 300
    /// Two seconds.
    private static let promisedTicks = 20

    private static func faults(_ hang: Hang, _ generator: inout SeededGenerator) -> (
        VirtualCluster.Faults, culprit: Int, victim: Int
    ) {
        // Node 0 is the coordinator.
        let culprit = 1 + generator.next(below: workerCount)
        let distance = 1 + generator.next(below: workerCount - 1)
        let victim = 1 + (culprit - 1 + distance) % workerCount
        var faults = VirtualCluster.Faults()
        faults.healTick = hangTick + hangTicks
        func cut(_ shape: NetworkCut.Shape) -> VirtualCluster.Incident {
            let cut = NetworkCut(
                shape: shape, direction: .outwards, planes: .data, holdsBack: true)
            return .init(hangTick, .cut(cut, ticks: hangTicks))
        }
        switch hang {
        case .frozenWorker: faults.incidents = [.init(hangTick, .workerFreeze(ticks: hangTicks))]
        case .slowLane: faults.slowLanes = [5: hangTicks]
        case .line:
            // The second node is counted from the first on, among the others.
            let others = workerCount
            let far = (victim - culprit + others) % (others + 1)
            faults.incidents = [cut(.line(culprit, far))]
        case .outwardLines: faults.incidents = [cut(.isolated(culprit))]
        case .lostSums: faults.lostExchanges = [5: 1]
        }
        return (faults, culprit, victim)
    }

    private struct Explanation {
        let sentences: [String]
        /// Workers that stand still, or have not brought their lanes.
        let late: [Int]
        let activities: [String]
    }

    /// Changes whenever anything goes on.
    private struct Progress: Equatable {
        var committed = 0
        var lanes = 0
        var exchanging: [Bool] = []
        var generations: UInt64 = 0

        init() {}

        init(of cluster: VirtualCluster) {
            committed = cluster.committed.count
            lanes = cluster.counts.lanes
            exchanging = cluster.livingWorkers.map { $0.core.isExchanging }
            generations = cluster.generationCount
        }
    }

    /// What the coordinator says when nothing has gone on for two seconds. Nil if the hang was over
    /// before.
    private func explanation(_ cluster: VirtualCluster) -> Explanation? {
        var answer: Explanation?
        var newest = (progress: Progress(), tick: 0)
        for tick in 1...Self.hangTick + Self.hangTicks {
            cluster.agenda.add(tick * VirtualCluster.tick) {
                let progress = Progress(of: cluster)
                if progress != newest.progress { newest = (progress, tick) }
                guard answer == nil, cluster.outcome == nil, progress.committed > 0,
                    tick - newest.tick == Self.promisedTicks,
                    let core = cluster.coordinator?.core
                else { return }
                let late = cluster.livingWorkers.filter { $0.isFrozen || !$0.core.isExchanging }
                answer = Explanation(
                    sentences: core.snapshot.waitingFor, late: late.map(\.node),
                    activities: core.snapshot.members.map(\.activity))
            }
        }
        cluster.run()
        return answer
    }

    private static func name(_ worker: Int) -> String {
        "worker \(WorkerID(UInt64(worker))) on host (process \(worker))"
    }

    @Test(arguments: 1...200)
    func everyHangIsExplainedWithinTwoSeconds(_ seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed, purpose: .testing, [7])
        let hang = Hang.allCases[Int(seed) % Hang.allCases.count]
        let (faults, culprit, victim) = Self.faults(hang, &generator)
        let cluster = VirtualCluster(
            Self.scenario(seed: seed, workerCount: Self.workerCount, faults))

        let found = explanation(cluster)
        expectWhole(cluster, seed)
        guard let found else {
            // A worker whose heartbeats came like clockwork is given up earlier.
            #expect(hang == .frozenWorker && cluster.generationCount > 1)
            return
        }

        let first = try #require(found.sentences.first, "\(hang): \(found.activities)")
        switch hang {
        case .frozenWorker:
            let name = Self.name(try #require(found.late.first))
            #expect(first.hasPrefix("\(name) has been silent for"))
        case .slowLane:
            #expect(found.late.count == 1)
            let name = Self.name(try #require(found.late.first))
            #expect(first.hasPrefix("step 5 waits for \(name), which computes"))
        case .line:
            #expect(first.contains(": \(Self.name(victim)) waits for \(Self.name(culprit)); "))
        case .outwardLines:
            // Some may have got what they need just before.
            #expect(first.contains(" for \(Self.name(culprit)); "))
        case .lostSums:
            // Of each of the four; a sentence names three.
            #expect(first.ranges(of: "3 workers wait for ").count == 3)
        }
    }
}
