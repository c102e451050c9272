// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Logging
import Messaging
import Primitives
import Synchronization
import Training

/// What the threads of a worker share: the mailbox of its core and what peers may ask for.
///
/// Isolation: any thread; the mutable part is protected by `state`.
package final class WorkerShared: Sendable {
    /// What the exchanges of a run have in common.
    package struct Sizes: Sendable {
        package let rule: ExactSums
        package let elementCount: Int
        package let tensorCount: Int
        /// Of one encoded lane report.
        package let laneReportBytesMax: Int

        package init(
            rule: ExactSums, elementCount: Int, tensorCount: Int, laneReportBytesMax: Int
        ) {
            self.rule = rule
            self.elementCount = elementCount
            self.tensorCount = tensorCount
            self.laneReportBytesMax = laneReportBytesMax
        }
    }

    private struct Kept {
        /// Tells it from the same step's of another generation.
        let number: Int
        let result: ReducedStep
        /// Its sums stay as they are while it is kept.
        let isServable: Bool
        /// The sums, packed in pieces, until they are copied for joiners.
        var packed: [[UInt8]]?

        var encoded: [UInt8] { result.encode(packed: packed) }
    }

    private struct State {
        var reduced: [Step: Kept] = [:]
        var keptCount = 0
        /// The result that was asked for last, for it is fetched piece by piece.
        var encoded: (step: Step, bytes: [UInt8])?
        var snapshots = SnapshotShelf()
        var history: ResultHistory?
        var meter = ExchangeMeter()

        /// Nil if nobody may ask for it, or it is copied already.
        func resultToCopy(_ step: Step) -> Kept? {
            history?.lacks(step) == true ? reduced[step] : nil
        }

        /// Takes what was encoded of a result; nothing if its sums may have changed meanwhile.
        mutating func add(_ encoded: [UInt8], of kept: Kept) -> Bool {
            let step = kept.result.step
            guard reduced[step]?.number == kept.number else { return false }
            history?.add(encoded, of: step)
            reduced[step]?.packed = nil
            return true
        }
    }

    let run: RunID
    let rule: ExactSums
    let elementCount: Int
    let tensorCount: Int
    /// What the maxima and reports of all lanes take at most.
    let reportBytesMax: Int
    let logger: Logger
    let events: Mailbox<WorkerCore.Event>
    private let state = Mutex(State())

    package init(
        run: RunID, sizes: Sizes, logger: Logger, events: Mailbox<WorkerCore.Event>
    ) {
        self.run = run
        rule = sizes.rule
        elementCount = sizes.elementCount
        tensorCount = sizes.tensorCount
        reportBytesMax =
            12 + tensorCount + rule.laneCount * (8 + sizes.laneReportBytesMax)
        self.logger = logger
        self.events = events
    }

    /// The last result stays until the next is applied everywhere: two are enough.
    ///
    /// - Parameter isServable: its sums stay as they are while it is kept.
    /// - Parameter packed: the sums as `PackedSums` writes them, in pieces.
    func keep(_ reduced: ReducedStep, isServable: Bool, packed: [[UInt8]]? = nil) {
        state.withLock { state in
            state.keptCount += 1
            state.reduced[reduced.step] = Kept(
                number: state.keptCount, result: reduced, isServable: isServable, packed: packed)
            for old in state.reduced.keys.sorted().dropLast(2) { state.reduced[old] = nil }
        }
    }

    /// What led to a state that is about to be replaced.
    func forgetReduced() { state.withLock { $0.reduced = [:] } }

    /// Results whose sums lie where a new generation exchanges these steps again. Call it before
    /// their memory changes: whoever encodes one finds out at the end.
    func forgetReduced(after step: Step) {
        state.withLock { state in state.reduced = state.reduced.filter { $0.key <= step } }
    }

    package func reduced(_ step: Step) -> ReducedStep? {
        state.withLock { $0.reduced[step]?.result }
    }

    func keep(snapshot: [UInt8], of step: Step) {
        state.withLock { $0.snapshots.keep(snapshot, of: step) }
    }

    func forgetSnapshots(before step: Step) {
        state.withLock { $0.snapshots.forget(before: step) }
    }

    func served(_ resource: TransferResource) -> [UInt8]? {
        switch resource.kind {
        case .state: state.withLock { $0.snapshots.serve(resource.step) }
        case .reduced:
            state.withLock { $0.history?.results[resource.step] } ?? encodedResult(resource.step)
        case .presence: []
        }
    }

    // MARK: - For joiners

    /// From now on the results of the steps after this one; nil = drop them.
    func keepResults(after step: Step?) {
        state.withLock { state in
            state.history = step.map { ResultHistory(start: $0) }
            state.snapshots.offered = step
        }
    }

    /// Whether somebody may ask for the results of coming steps.
    var keepsResults: Bool { state.withLock { $0.history != nil } }

    /// Whether the sums must be copied before the next lanes are computed: they lie in the
    /// accumulator of a lone worker whom nobody followed when the exchange began.
    func mustCopy(_ step: Step) -> Bool {
        state.withLock { state in
            guard state.history != nil, let kept = state.reduced[step] else { return false }
            return !kept.isServable && kept.packed == nil
        }
    }

    /// Copies the result of a step that was applied, if somebody may ask for it.
    func copyForJoiners(_ step: Step) {
        guard let kept = state.withLock({ $0.resultToCopy(step) }) else { return }
        let bytes = kept.encoded
        _ = state.withLock { $0.add(bytes, of: kept) }
    }

    private func encodedResult(_ step: Step) -> [UInt8]? {
        if let encoded = state.withLock({ $0.encoded }), encoded.step == step {
            return encoded.bytes
        }
        guard let kept = state.withLock({ $0.reduced[step] }),
            kept.isServable || kept.packed != nil
        else { return nil }
        let bytes = kept.encoded
        return state.withLock { state in
            // Who asked was faster than the replica thread.
            guard state.add(bytes, of: kept) else { return nil }
            state.encoded = (step, bytes)
            return bytes
        }
    }

    func countDrop(_ reason: WritableKeyPath<ExchangeTimes.Drops, UInt64>) {
        state.withLock { $0.meter.countDrop(reason) }
    }

    func setRefusedHandshakeCount(_ count: UInt64) {
        state.withLock { $0.meter.refusedHandshakeCount = count }
    }

    func count(_ cost: ExchangeTimes.Cost) { state.withLock { $0.meter.add(cost) } }

    package var exchangeTimes: ExchangeTimes { state.withLock { $0.meter.times } }
}
