// SPDX-License-Identifier: Apache-2.0
import Primitives
import Testing

@testable import ClusterProtocol
@testable import Simulation

/// Promise 8: whatever hangs, the cluster says within two seconds who is waited for.
extension VirtualClusterTests {
    /// What stands still, for ever as far as the test is concerned.
    enum Hang: CaseIterable, Sendable {
        case frozenWorker, slowLane, slowLaneOfALoneWorker
        case line, outwardLines, inwardLines, allLines, lostSums

        /// Two seconds; after as many a worker whose heartbeats come like clockwork is evicted.
        var askedTicks: Int { self == .frozenWorker ? 15 : 20 }
        var workerCount: Int { self == .slowLaneOfALoneWorker ? 1 : 4 }
    }

    private static let hangTick = 35
    private static let hangTicks = 300

    /// Workers by number; the coordinator has number 0.
    private struct Injection {
        var faults = VirtualCluster.Faults()
        let culprit: Int
        /// Another one.
        let victim: Int

        init(_ hang: Hang, seed: UInt64) {
            var generator = SeededGenerator(seed: seed, purpose: .testing, [7])
            let count = hang.workerCount
            culprit = 1 + generator.next(below: count)
            let distance = 1 + generator.next(below: max(1, count - 1))
            victim = 1 + (culprit - 1 + distance) % count
            faults.healTick = hangTick + hangTicks
            switch hang {
            case .frozenWorker:
                faults.incidents = [.init(hangTick, .workerFreeze(ticks: hangTicks))]
            case .slowLane, .slowLaneOfALoneWorker: faults.slowLanes = [5: hangTicks]
            case .line:
                // Counted from the first node on, among the others.
                let far = (victim - culprit + count) % (count + 1)
                faults.incidents = [Self.cut(.line(culprit, far), .outwards)]
            case .outwardLines: faults.incidents = [Self.cut(.isolated(culprit), .outwards)]
            case .inwardLines: faults.incidents = [Self.cut(.isolated(culprit), .inwards)]
            case .allLines: faults.incidents = [Self.cut(.isolated(culprit), .both)]
            case .lostSums: faults.lostExchanges = [5: 1]
            }
        }

        private static func cut(
            _ shape: NetworkCut.Shape, _ direction: NetworkCut.Direction
        ) -> VirtualCluster.Incident {
            let cut = NetworkCut(
                shape: shape, direction: direction, planes: .data, holdsBack: true)
            return .init(hangTick, .cut(cut, ticks: hangTicks))
        }
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

    private struct Explanation {
        let sentences: [String]
        /// Workers that stand still, or have not brought their lanes.
        let late: [Int]
        let activities: [String]
    }

    /// What the coordinator says when nothing has gone on for so long; nil if that never happens.
    private func explanation(_ cluster: VirtualCluster, _ hang: Hang) -> Explanation? {
        var answer: Explanation?
        var newest = (progress: Progress(), tick: 0)
        for tick in 1...Self.hangTick + Self.hangTicks {
            cluster.agenda.add(tick * VirtualCluster.tick) {
                let progress = Progress(of: cluster)
                if progress != newest.progress { newest = (progress, tick) }
                // A new generation is the end of the hang.
                guard answer == nil, cluster.outcome == nil, progress.committed > 0,
                    progress.generations == 1,
                    tick - newest.tick == hang.askedTicks,
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

    /// Eight kinds, 25 of each.
    @Test(arguments: Hang.allCases)
    func everyHangIsExplainedWithinTwoSeconds(_ hang: Hang) throws {
        for seed in 1...25 as ClosedRange<UInt64> {
            let injection = Injection(hang, seed: seed)
            let cluster = VirtualCluster(
                Self.scenario(seed: seed, workerCount: hang.workerCount, injection.faults))
            let found = explanation(cluster, hang)
            expectWhole(cluster, seed)
            expect(try #require(found, "seed \(seed): nothing hung"), of: hang, injection, seed)
        }
    }

    private func expect(
        _ found: Explanation, of hang: Hang, _ injection: Injection, _ seed: UInt64
    ) {
        let first = found.sentences.first ?? "nothing, for \(found.activities)"
        let late = found.late.map(Self.name)
        let (culprit, victim) = (Self.name(injection.culprit), Self.name(injection.victim))
        func says(_ part: String) { #expect(first.contains(part), "\(hang), seed \(seed)") }
        switch hang {
        case .frozenWorker:
            says("\(late.first ?? "") has been silent for")
        case .slowLane, .slowLaneOfALoneWorker:
            #expect(late.count == 1)
            says("step 5 waits for \(late.first ?? ""), which computes")
        case .line: says(": \(victim) waits for \(culprit); ")
        // Some may have got what they need just before.
        case .outwardLines: says(" for \(culprit); ")
        case .inwardLines: says(": \(culprit) waits for ")
        case .allLines: #expect(first.contains(culprit), "seed \(seed)")
        case .lostSums: says(" and 1 more; ")
        }
    }
}
