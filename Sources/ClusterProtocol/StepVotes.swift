// SPDX-License-Identifier: Apache-2.0
import Primitives

/// What workers have reported of the last steps: which report commits a step, and who is wrong.
///
/// Exact sums leave every worker with the same bits, so another state hash means a broken machine.
/// The majority is right; of two that differ nobody knows.
struct StepVotes: Sendable {
    enum Decision: Equatable {
        case waits
        case commits(StepReport, dissenters: [WorkerID])
        /// No majority.
        case isSplit([WorkerID])
    }

    enum Verdict: Equatable {
        case agrees
        /// Others have confirmed what the ledger says.
        case isWrong([WorkerID])
        /// All voters differ from the ledger.
        case contradictsLedger
    }

    /// What was said of a step that is in the ledger.
    private struct Settled {
        var agreeingCount = 0
        var dissenters: Set<WorkerID> = []
    }

    /// So far ahead of the ledger reports are kept; later ones are said again.
    static let aheadMax: UInt64 = 64

    /// Of committed steps, as far as they may be executed again.
    private(set) var stateHashes: [Step: [UInt8]]
    private var reports: [Step: [WorkerID: StepReport]] = [:]
    private var settled: [Step: Settled] = [:]

    init(stateHashes: [Step: [UInt8]]) { self.stateHashes = stateHashes }

    /// Checkpoints make older steps final.
    mutating func forget(through step: Step) {
        stateHashes = stateHashes.filter { $0.key > step }
        settled = settled.filter { $0.key > step }
    }

    /// A step that is not committed yet.
    mutating func add(_ report: StepReport, from worker: WorkerID) {
        reports[report.step, default: [:]][worker] = report
    }

    /// Whether so many voters may have decided on a step; looking at all of them costs more.
    func mayDecide(_ step: Step, voterCount: Int) -> Bool {
        guard let cast = reports[step] else { return false }
        return 2 * cast.count > voterCount || cast.first?.value.stateHash.isEmpty == true
    }

    func hasReport(of step: Step, from worker: WorkerID) -> Bool {
        reports[step]?[worker] != nil
    }

    /// - Parameter voters: who has reported the step, or will.
    func decision(for step: Step, voters: Set<WorkerID>) -> Decision {
        let cast = (reports[step] ?? [:]).filter { voters.contains($0.key) }
            .sorted { $0.key < $1.key }
        guard let first = cast.first else { return .waits }
        // Without a hash there is nothing to compare.
        if first.value.stateHash.isEmpty { return .commits(first.value, dissenters: []) }
        let camps = Dictionary(grouping: cast, by: \.value.stateHash).values
            .sorted { ($0.count, $1[0].key) > ($1.count, $0[0].key) }
        let largest = camps[0]
        let dissenters = camps.dropFirst().joined().map(\.key)
        if 2 * largest.count > voters.count {
            return .commits(largest[0].value, dissenters: dissenters)
        }
        guard cast.count == voters.count else { return .waits }
        if camps.count > 1, camps[1].count == largest.count { return .isSplit(cast.map(\.key)) }
        return .commits(largest[0].value, dissenters: dissenters)
    }

    mutating func settle(_ report: StepReport) {
        let cast = reports.removeValue(forKey: report.step) ?? [:]
        reports = reports.filter { $0.key > report.step }
        guard !report.stateHash.isEmpty else { return }
        stateHashes[report.step] = report.stateHash
        settled[report.step] = Settled(
            agreeingCount: cast.values.count { $0.stateHash == report.stateHash })
    }

    /// A report of a committed step: a late one, or one of a step that was executed again.
    mutating func compare(
        _ report: StepReport, from worker: WorkerID, voterCount: Int
    ) -> Verdict {
        guard let known = stateHashes[report.step], !report.stateHash.isEmpty else {
            return .agrees
        }
        var entry = settled[report.step] ?? Settled()
        if report.stateHash == known {
            entry.agreeingCount += 1
        } else {
            entry.dissenters.insert(worker)
        }
        defer { settled[report.step] = entry }
        guard !entry.dissenters.isEmpty else { return .agrees }
        if entry.agreeingCount > 0 {
            defer { entry.dissenters = [] }
            return .isWrong(entry.dissenters.sorted())
        }
        return entry.dissenters.count >= voterCount ? .contradictsLedger : .agrees
    }
}
