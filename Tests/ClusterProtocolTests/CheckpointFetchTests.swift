// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives
import Testing

/// States that are to become checkpoints and cannot be fetched from who keeps them.
@Suite struct CheckpointFetchTests {
    private static let hash: [UInt8] = [5]

    private static func fetched(_ directives: [CoordinatorCore.Directive]) -> [String] {
        directives.compactMap {
            if case .fetchSnapshot(let step, _, let endpoint) = $0 {
                "\(step) from \(endpoint)"
            } else {
                nil
            }
        }
    }

    private static func members(_ directives: [CoordinatorCore.Directive]) -> [UInt64]? {
        directives.lazy.compactMap {
            if case .persist(.generation(_, let members)) = $0 {
                members.map(\.worker.value)
            } else {
                nil
            }
        }.first
    }

    /// The end of the run: all have applied step 100, the last.
    private static func finished(_ numbers: [UInt64]) -> RestoredCluster {
        var cluster = RestoredCluster(numbers, committed: Step(100))
        cluster.hear(.snapshotReady(step: Step(100), stateHash: hash), from: 1)
        return cluster
    }

    /// The next one becomes rank 0, and keeps the state that it has.
    @Test func whoCannotBeAskedIsNoLongerTheKeeper() {
        var cluster = Self.finished([1, 2, 3])
        #expect(Self.fetched(cluster.takeHeard()) == ["100 from peer 1"])

        cluster.hear(.snapshotFetchFailed(step: Step(100), reason: "the peer is silent"))
        #expect(Self.members(cluster.takeHeard()) == [2, 3, 1])
        cluster.ready([1, 2, 3], generation: 2, applied: Step(100))
        cluster.hear(.snapshotReady(step: Step(100), stateHash: Self.hash), from: 1)
        #expect(Self.fetched(cluster.takeHeard()) == [], "others come first")
        #expect(
            cluster.core.snapshot.waitingFor == [
                "the end of the run waits for the checkpoint of step 100; the state of step 100 "
                    + "cannot be fetched: the peer is silent"
            ])

        cluster.hear(.snapshotReady(step: Step(100), stateHash: Self.hash), from: 2)
        #expect(Self.fetched(cluster.takeHeard()) == ["100 from peer 2"])
        cluster.hear(.checkpointPublished(step: Step(100), stateHash: Self.hash))
        #expect(cluster.core.snapshot.phase == "stopping")
    }

    /// Its copy was damaged after its state was found right: another's is taken.
    @Test func aStateThatTheLedgerContradictsIsNotFetched() {
        var cluster = RestoredCluster([1, 2, 3], committed: Step(100), stateHash: Self.hash)
        cluster.hear(.snapshotReady(step: Step(100), stateHash: [6]), from: 1)
        let heard = cluster.takeHeard()
        #expect(Self.fetched(heard) == [])
        #expect(Self.members(heard) == [2, 3, 1])

        cluster.ready([1, 2, 3], generation: 2, applied: Step(100))
        cluster.hear(.snapshotReady(step: Step(100), stateHash: Self.hash), from: 2)
        #expect(Self.fetched(cluster.takeHeard()) == ["100 from peer 2"])
    }

    /// In turn, then from the beginning.
    @Test func allThatKeepItAreAskedBeforeTheSameAgain() {
        var cluster = Self.finished([1, 2, 3])
        var asked = Self.fetched(cluster.takeHeard())
        for round in 1...5 as ClosedRange<UInt64> {
            cluster.pass(100, hearing: [1, 2, 3], applied: Step(100))
            for number in [1, 2, 3] as [UInt64] {
                cluster.hear(.snapshotReady(step: Step(100), stateHash: Self.hash), from: number)
            }
            cluster.hear(.snapshotFetchFailed(step: Step(100), reason: "the peer is silent"))
            cluster.ready([1, 2, 3], generation: 1 + round, applied: Step(100))
            asked += Self.fetched(cluster.takeHeard())
        }

        #expect(asked == [1, 2, 3, 1, 2, 3].map { "100 from peer \($0)" })
    }

    /// The next step of a checkpoint may be an hour away.
    @Test func betweenCheckpointsAnyLaterStateWillDo() throws {
        var cluster = RestoredCluster([1, 2], committed: Step(20))
        cluster.hear(.snapshotReady(step: Step(20), stateHash: Self.hash), from: 1)
        for number in [1, 2] as [UInt64] { cluster.report(Step(21), from: number) }
        cluster.hear(.snapshotFetchFailed(step: Step(20), reason: "the peer is silent"))
        _ = cluster.takeHeard()

        cluster.ready([1, 2], generation: 2, applied: Step(21))
        let asked = cluster.takeHeard()
        #expect(cluster.keeper(of: Step(21), in: asked) == WorkerID(2))
        cluster.hear(.snapshotReady(step: Step(21), stateHash: Self.hash), from: 2)
        #expect(Self.fetched(cluster.takeHeard()) == ["21 from peer 2"])

        cluster.hear(.checkpointPublished(step: Step(21), stateHash: Self.hash))
        cluster.hear(.snapshotReady(step: Step(22), stateHash: Self.hash), from: 2)
        cluster.report(Step(22), from: 1)
        cluster.report(Step(22), from: 2)
        #expect(Self.fetched(cluster.takeHeard()) == [], "none is overdue any more")
    }

    /// All stand still; the first that has the newest state cannot be asked for it.
    @Test func aHoldAsksTheNext() throws {
        var cluster = RestoredCluster()
        cluster.hear(.pauseRequested)
        cluster.ready([1, 2], generation: 2)
        #expect(cluster.keeper(of: Step(12), in: cluster.takeHeard()) == WorkerID(1))
        cluster.hear(.snapshotReady(step: Step(12), stateHash: Self.hash), from: 1)
        cluster.hear(.snapshotFetchFailed(step: Step(12), reason: "the peer is silent"))
        cluster.ready([1, 2], generation: 3)

        #expect(cluster.keeper(of: Step(12), in: cluster.takeHeard()) == WorkerID(2))
    }

    @Test func fetchesThatFailInARowEndTheRunAndNameWhatIsToBeOpened() {
        var cluster = Self.finished([1])
        for _ in 1...29 {
            cluster.hear(.snapshotFetchFailed(step: Step(100), reason: "the peer is silent"))
            cluster.hear(.snapshotReady(step: Step(100), stateHash: Self.hash), from: 1)
        }
        #expect(cluster.core.snapshot.phase == "running")
        cluster.hear(.snapshotFetchFailed(step: Step(100), reason: "the peer is silent"))
        #expect(cluster.core.snapshot.phase == "stopping")
        cluster.hear(.leave(reason: "told to stop"), from: 1)
        cluster.hear(.tick)

        let ends = cluster.takeHeard().compactMap { directive in
            if case .finish(let reason, let text) = directive { (reason, text) } else { nil }
        }
        #expect(ends.map(\.0) == [.clusterUnreachable])
        let text = ends.first?.1 ?? ""
        #expect(text.contains("the peer is silent, 30 times in a row"))
        #expect(text.contains("data ports of the workers (now peer 1)"))
    }
}
