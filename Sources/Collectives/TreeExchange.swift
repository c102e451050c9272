// SPDX-License-Identifier: Apache-2.0
import Primitives

/// One rank's part in one all-reduce: reads what its neighbours have in memory, says what has to go
/// to other machines, accepts what comes from there.
///
/// It does no I/O. Chunks may become ready, frames may come and neighbours may go on in any order,
/// and frames several times; the result is the same, because integers are added and every rank
/// counts once per chunk.
///
/// Isolation: the data-plane thread.
package final class TreeExchange {
    /// A chunk that this rank gathers.
    private struct Gathering {
        /// Neighbours and itself have contributed.
        var hasLocalSum = false
        /// The sum so far lies where the rank gathers; before that, alone on its machine, it is
        /// what lies in the accumulator.
        var isGathered = false
        /// Partial sums of other machines that came before the local one.
        var held: [SharedBytes] = []
        var missingChildCount: Int
        var isPartialSent = false
    }

    private let rank: Int
    /// A second attempt gathers where the first has, whose totals may still be on their way:
    /// whoever has reported for this one has them.
    private let gathersAfterReports: Bool
    private let chunks: ChunkPlan
    private let schedule: ExchangeSchedule
    private let memory: any MachineMemory
    private let sums: ChunkSums
    private let machine: Int
    private let neighbours: [Int]
    private var accepted: Set<Part> = []
    private var gatherings: [Int: Gathering] = [:]
    /// Own chunks that neighbours have not all contributed to yet, ascending.
    private var ungathered: [Int]
    /// Chunks whose total is not there yet, gathered by neighbours.
    private var unread: [(gatherer: Int, chunks: [Int])]
    private var contributed: Set<Int> = []
    private var unreducedCount: Int
    private var reports: RankReports

    package init(
        rank: Int, chunks: ChunkPlan, schedule: ExchangeSchedule, memory: any MachineMemory,
        tensorCount: Int, attempt: Int = 1
    ) {
        precondition(
            (0..<schedule.worldSize).contains(rank), "rank \(rank) of \(schedule.worldSize)")
        precondition(
            schedule.chunkCount == chunks.chunkCount,
            "a schedule of \(schedule.chunkCount) chunks for \(chunks.chunkCount)")
        self.rank = rank
        gathersAfterReports = attempt > 1
        self.chunks = chunks
        self.schedule = schedule
        self.memory = memory
        sums = ChunkSums(chunks, memory, isGatheredSent: schedule.machines.count > 1)
        machine = schedule.machine(of: rank)
        neighbours = schedule.neighbours(of: rank)
        let own = schedule.chunks(gatheredBy: rank)
        ungathered = Array(own)
        for chunk in own {
            gatherings[chunk] = Gathering(
                missingChildCount: schedule.children(of: machine, chunk: chunk).count)
        }
        unread = neighbours.filter { $0 != rank }.map {
            ($0, Array(schedule.chunks(gatheredBy: $0)))
        }
        unreducedCount = chunks.chunkCount
        reports = RankReports(worldSize: schedule.worldSize, tensorCount: tensorCount)
    }

    /// All sums and all reports are there.
    package var isComplete: Bool { unreducedCount == 0 && reports.isComplete }

    /// Every rank has all its lanes: what is missing now is communication.
    package var hasAllReports: Bool { reports.isComplete }

    /// What is missing, of the first stage at which something is; nil if nothing of others is.
    package var lack: ExchangeLack? {
        let silent = (0..<schedule.worldSize).filter { !reports.has($0) && $0 != rank }
        if let lack = ExchangeLack(.reports, silent) { return lack }
        let children = gatherings.flatMap { lackingChildren($0.key, $0.value) }
        if let lack = ExchangeLack(.partials, children) { return lack }
        let gatherers = unread.filter { !$0.chunks.isEmpty }.map(\.gatherer)
        let parents = gatherings.compactMap { lackingParent($0.key, $0.value) }
        return ExchangeLack(.totals, gatherers + parents)
    }

    private func lackingChildren(_ chunk: Int, _ gathering: Gathering) -> [Int] {
        guard gathering.missingChildCount > 0 else { return [] }
        return schedule.children(of: machine, chunk: chunk)
            .map { schedule.gatherer(of: chunk, on: $0) }
            .filter {
                !accepted.contains(Part(phase: .partial, sourceRank: $0, chunk: chunk))
            }
    }

    private func lackingParent(_ chunk: Int, _ gathering: Gathering) -> Int? {
        guard gathering.isPartialSent, let parent = schedule.parent(of: machine, chunk: chunk)
        else { return nil }
        let gatherer = schedule.gatherer(of: chunk, on: parent)
        let part = Part(phase: .total, sourceRank: gatherer, chunk: chunk)
        return accepted.contains(part) ? nil : gatherer
    }

    // MARK: - What this rank brings

    /// The own lanes are complete in these chunks; those known already do not count again.
    package func contribute(_ more: some Sequence<Int>) {
        for chunk in more where contributed.insert(chunk).inserted {
            memory.mark(.contributed, chunk: chunk)
        }
    }

    /// The own lanes are complete everywhere.
    ///
    /// - Parameter lastMicroseconds: how long the exchange of the step before has taken here, from
    ///   this call to its end; 0 = there was none.
    package func contribute(
        _ contribution: LaneAccumulator.Contribution, lastMicroseconds: UInt32 = 0
    ) -> [Outgoing] {
        contribute(0..<chunks.chunkCount)
        guard !reports.has(rank) else { return [] }
        let report = RankReports.Report(
            maxima: contribution.maxima, lanes: contribution.reports,
            lastMicroseconds: lastMicroseconds)
        let encoded = report.encode()
        memory.publish(reports: encoded)
        reports.insert(rank, report)
        return outgoing(
            (0..<schedule.worldSize).filter { schedule.machine(of: $0) != machine }, .reports, 0,
            SharedBytes(encoded), packed: nil)
    }

    // MARK: - What neighbours bring

    /// Looks at the neighbours and does what has become possible.
    ///
    /// - Parameter chunksMax: gathers at most so many chunks, so that the caller can do other
    ///   things between; more may be possible then.
    /// - Returns: what to send, and whether anything has changed.
    /// - Throws: when a neighbour's reports are none; the exchange cannot go on.
    package func advance(
        chunksMax: Int = .max
    ) throws(MalformedBytes) -> (outgoing: [Outgoing], hasChanged: Bool) {
        let missingBefore = (unreducedCount, ungathered.count, reports.missingCount)
        try readReports()
        let outgoing = mayGather ? gather(chunksMax) : []
        readTotals()
        let missing = (unreducedCount, ungathered.count, reports.missingCount)
        return (outgoing, missing != missingBefore)
    }

    private func gather(_ chunksMax: Int) -> [Outgoing] {
        var outgoing: [Outgoing] = []
        var waiting: [Int] = []
        var gatheredCount = 0
        for chunk in ungathered {
            guard gatheredCount < chunksMax, hasAllContributions(chunk) else {
                waiting.append(chunk)
                continue
            }
            gatheredCount += 1
            outgoing += sumLocally(chunk)
        }
        ungathered = waiting
        return outgoing
    }

    private var mayGather: Bool { !gathersAfterReports || reports.isComplete }

    private func hasAllContributions(_ chunk: Int) -> Bool {
        contributed.contains(chunk)
            && neighbours.allSatisfy {
                $0 == rank || memory.hasMarked(.contributed, chunk: chunk, rank: $0)
            }
    }

    private func readTotals() {
        for index in unread.indices {
            let gatherer = unread[index].gatherer
            let before = unread[index].chunks.count
            unread[index].chunks.removeAll {
                memory.hasMarked(.reduced, chunk: $0, rank: gatherer)
            }
            unreducedCount -= before - unread[index].chunks.count
        }
    }

    private func readReports() throws(MalformedBytes) {
        for neighbour in neighbours where neighbour != rank && !reports.has(neighbour) {
            guard let encoded = memory.reports(of: neighbour) else { continue }
            try reports.insert(neighbour, encoded: encoded)
        }
    }

    // MARK: - What other machines bring

    package func accept(
        _ part: Part, payload: SharedBytes, _ encoding: ExchangeFrame.Encoding = .plain
    ) -> AcceptOutcome {
        guard (0..<schedule.worldSize).contains(part.sourceRank),
            schedule.machine(of: part.sourceRank) != machine
        else {
            return .malformed("rank \(part.sourceRank) is on no other machine of this world")
        }
        guard !accepted.contains(part) else { return .duplicate }
        do {
            switch part.phase {
            case .reports: return try acceptReports(part, payload, encoding)
            case .partial: return try acceptPartial(part, payload, encoding)
            case .total: return try acceptTotal(part, payload, encoding)
            }
        } catch {
            return .malformed("\(part.phase) of rank \(part.sourceRank): \(error)")
        }
    }

    private func acceptReports(
        _ part: Part, _ payload: SharedBytes, _ encoding: ExchangeFrame.Encoding
    ) throws(MalformedBytes) -> AcceptOutcome {
        guard part.chunk == 0, encoding == .plain else {
            return .malformed("reports are plain and have no chunk")
        }
        try reports.insert(part.sourceRank, encoded: payload.copy())
        accepted.insert(part)
        return .accepted([])
    }

    private func acceptPartial(
        _ part: Part, _ payload: SharedBytes, _ encoding: ExchangeFrame.Encoding
    ) throws(MalformedBytes) -> AcceptOutcome {
        let source = schedule.machine(of: part.sourceRank)
        guard gatherings[part.chunk] != nil,
            schedule.children(of: machine, chunk: part.chunk).contains(source)
        else {
            return .malformed("no partial sum of chunk \(part.chunk) comes from there")
        }
        if let fault = fault(part, source) { return .malformed(fault) }
        sumLocallyIfPossible(part.chunk)
        var packed: SharedBytes?
        if let gathering = gatherings[part.chunk], gathering.hasLocalSum {
            packed = try sums.add(
                payload, encoding, to: sumSoFar(part.chunk), part.chunk,
                isLast: gathering.missingChildCount == 1)
            gatherings[part.chunk]?.isGathered = true
        } else {
            gatherings[part.chunk]?.held.append(try sums.plain(payload, encoding, part.chunk))
        }
        accepted.insert(part)
        gatherings[part.chunk]?.missingChildCount -= 1
        return .accepted(passOn(part.chunk, packed: packed))
    }

    /// What comes now can be added at once then, and need not wait in memory of its own.
    private func sumLocallyIfPossible(_ chunk: Int) {
        guard mayGather, hasAllContributions(chunk),
            let index = ungathered.firstIndex(of: chunk)
        else { return }
        ungathered.remove(at: index)
        let outgoing = sumLocally(chunk)
        precondition(outgoing.isEmpty, "chunk \(chunk) went on without what comes for it")
    }

    private func acceptTotal(
        _ part: Part, _ payload: SharedBytes, _ encoding: ExchangeFrame.Encoding
    ) throws(MalformedBytes) -> AcceptOutcome {
        let source = schedule.machine(of: part.sourceRank)
        guard gatherings[part.chunk]?.isPartialSent == true,
            schedule.parent(of: machine, chunk: part.chunk) == source
        else {
            return .malformed("no total of chunk \(part.chunk) is due from there")
        }
        if let fault = fault(part, source) { return .malformed(fault) }
        let isSent = !schedule.children(of: machine, chunk: part.chunk).isEmpty
        let packed = try sums.store(payload, encoding, part.chunk, isSent: isSent)
        accepted.insert(part)
        return .accepted(finish(part.chunk, packed: packed))
    }

    private func fault(_ part: Part, _ source: Int) -> String? {
        part.sourceRank == schedule.gatherer(of: part.chunk, on: source)
            ? nil : "rank \(part.sourceRank) does not gather chunk \(part.chunk)"
    }

    // MARK: - Sums

    private func sumLocally(_ chunk: Int) -> [Outgoing] {
        let held = gatherings[chunk]?.held ?? []
        gatherings[chunk]?.held = []
        gatherings[chunk]?.hasLocalSum = true
        // Alone on its machine it waits for something to add, or sends out of its accumulator.
        if neighbours.count > 1 || !held.isEmpty || schedule.worldSize == 1 {
            sums.gather(neighbours.map { sums.accumulator(of: $0, chunk) } + held, chunk)
            gatherings[chunk]?.isGathered = true
        }
        return passOn(chunk, packed: nil)
    }

    private func sumSoFar(_ chunk: Int) -> SharedBytes {
        gatherings[chunk]?.isGathered == true
            ? sums.gathered(chunk) : sums.accumulator(of: rank, chunk)
    }

    /// Sends the partial sum up, or the total down, once everything is in it.
    private func passOn(_ chunk: Int, packed: SharedBytes?) -> [Outgoing] {
        guard let gathering = gatherings[chunk], gathering.hasLocalSum,
            gathering.missingChildCount == 0
        else { return [] }
        guard let parent = schedule.parent(of: machine, chunk: chunk) else {
            return finish(chunk, packed: packed)
        }
        gatherings[chunk]?.isPartialSent = true
        return outgoing(
            [schedule.gatherer(of: chunk, on: parent)], .partial, chunk, sumSoFar(chunk),
            packed: packed)
    }

    /// The total is in its place: tells the neighbours and the machines below.
    private func finish(_ chunk: Int, packed: SharedBytes?) -> [Outgoing] {
        memory.mark(.reduced, chunk: chunk)
        unreducedCount -= 1
        let targets = schedule.children(of: machine, chunk: chunk).map {
            schedule.gatherer(of: chunk, on: $0)
        }
        return outgoing(targets, .total, chunk, sums.gathered(chunk), packed: packed)
    }

    private func outgoing(
        _ targets: [Int], _ phase: ExchangeFrame.Phase, _ chunk: Int, _ payload: SharedBytes,
        packed: SharedBytes?
    ) -> [Outgoing] {
        guard !targets.isEmpty else { return [] }
        let part = Part(phase: phase, sourceRank: rank, chunk: chunk)
        return [Outgoing(targetRanks: targets, part: part, payload: payload, packed: packed)]
    }

    // MARK: - Result

    /// By rank, how long the exchange of the step before has taken.
    package var lastMicroseconds: [UInt32] { reports.lastMicroseconds }

    /// - Parameter laneCount: every lane below it must have been reported exactly once.
    package func result(laneCount: Int) throws(LaneMismatch) -> Result {
        precondition(isComplete, "the exchange is not complete")
        return Result(
            sums: memory.result, maxima: reports.maxima,
            reports: try reports.inLaneOrder(laneCount: laneCount))
    }
}
