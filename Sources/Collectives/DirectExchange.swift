// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives

/// The all-reduce by direct exchange: every rank sends each other rank its part of the slice that
/// this rank owns, adds what it receives for its own slice, and sends the sum to everybody.
///
/// It is a schedule with the sums, without any I/O: says what goes to whom, accepts what came.
/// Frames may come in any order, several times, and before the own accumulator is ready; the result
/// is the same, because integers are added and each source counts once per chunk.
///
/// Cost: 2 (P - 1) / P x bytes on the wire per rank, two hops.
/// Isolation: the data-plane thread.
package final class DirectExchange {
    /// What identifies a frame inside one exchange.
    package struct Part: Hashable, Sendable {
        package let phase: ExchangeFrame.Phase
        package let sourceRank: Int
        /// Number in the `ChunkPlan`; 0 for reports.
        package let chunk: Int

        package init(phase: ExchangeFrame.Phase, sourceRank: Int, chunk: Int) {
            self.phase = phase
            self.sourceRank = sourceRank
            self.chunk = chunk
        }
    }

    /// A frame that has to be sent.
    package struct Outgoing {
        package let targetRank: Int
        package let part: Part
        /// Of a contribution the accumulator's memory, of a result the sums'.
        package let payload: SharedBytes
    }

    package enum AcceptOutcome {
        /// New; these frames follow from it.
        case accepted([Outgoing])
        case duplicate
        /// Not a frame that this exchange can have; nothing has changed.
        case malformed(String)
    }

    package struct Result: Sendable {
        package let sums: IntVector
        package let maxima: [UInt8]
        /// In lane order.
        package let reports: [[UInt8]]

        package init(sums: IntVector, maxima: [UInt8], reports: [[UInt8]]) {
            self.sums = sums
            self.maxima = maxima
            self.reports = reports
        }
    }

    /// The lanes of all members together are not each lane once: a rule of the plan was broken.
    package struct LaneMismatch: Error, Equatable {
        package let lanes: [Int]
        package let laneCount: Int

        package init(lanes: [Int], laneCount: Int) {
            self.lanes = lanes
            self.laneCount = laneCount
        }
    }

    private let rank: Int
    private let plan: ChunkPlan
    private let sums: IntVector
    private var accepted: Set<Part> = []
    private var contributionCounts: [Int]
    private var missingChunks: Int
    private var missingReports: Int
    private var maxima: [UInt8]
    private var reports: [LaneContribution] = []
    private var hasStarted = false

    /// - Parameter sums: where the result goes; whatever is in it is overwritten.
    package init(rank: Int, plan: ChunkPlan, tensorCount: Int, sums: IntVector) {
        precondition((0..<plan.worldSize).contains(rank), "rank \(rank) of \(plan.worldSize)")
        precondition(
            sums.count == plan.elementCount,
            "\(sums.count) sums for the result of \(plan.elementCount)")
        self.rank = rank
        self.plan = plan
        self.sums = sums
        contributionCounts = [Int](repeating: 0, count: plan.chunks.count)
        missingChunks = plan.chunks.count
        missingReports = plan.worldSize
        maxima = [UInt8](repeating: 0, count: tensorCount)
    }

    /// All sums and all reports are there.
    package var isComplete: Bool { hasStarted && missingChunks == 0 && missingReports == 0 }

    /// Ranks from which something is still missing, ascending: for the sentence that explains it.
    package var missingRanks: [Int] {
        (0..<plan.worldSize).filter { source in
            !accepted.contains(Part(phase: .reports, sourceRank: source, chunk: 0))
                || plan.chunksOfRank[source].contains { chunk in
                    !accepted.contains(Part(phase: .result, sourceRank: source, chunk: chunk))
                }
                || plan.chunksOfRank[rank].contains { chunk in
                    let part = Part(phase: .contribution, sourceRank: source, chunk: chunk)
                    return !accepted.contains(part)
                }
        }
    }

    /// Brings in the own accumulator, once, when all own lanes are in it.
    package func start(
        accumulator: IntVector, contribution: LaneAccumulator.Contribution
    ) -> [Outgoing] {
        precondition(!hasStarted, "an exchange starts once")
        precondition(
            accumulator.count == plan.elementCount,
            "\(accumulator.count) sums in an exchange of \(plan.elementCount)")
        hasStarted = true
        var outgoing = scatter(accumulator)
        let payload = SharedBytes(Self.encode(contribution))
        for target in 0..<plan.worldSize where target != rank {
            outgoing.append(
                Outgoing(
                    targetRank: target, part: Part(phase: .reports, sourceRank: rank, chunk: 0),
                    payload: payload))
        }
        accepted.insert(Part(phase: .reports, sourceRank: rank, chunk: 0))
        merge(maxima: contribution.maxima, reports: contribution.reports)
        return outgoing
    }

    package func accept(_ part: Part, payload: UnsafeRawBufferPointer) -> AcceptOutcome {
        guard (0..<plan.worldSize).contains(part.sourceRank), part.sourceRank != rank else {
            return .malformed("source rank \(part.sourceRank) in a world of \(plan.worldSize)")
        }
        guard !accepted.contains(part) else { return .duplicate }
        switch part.phase {
        case .contribution:
            return acceptChunk(part, payload, owner: rank) {
                self.addElements(part.chunk, payload)
            }
        case .result:
            return acceptChunk(part, payload, owner: part.sourceRank) {
                self.store(part.chunk, payload)
            }
        case .reports:
            return acceptReports(part, payload)
        }
    }

    /// - Parameter laneCount: every lane below it must have been reported exactly once.
    package func result(laneCount: Int) throws(LaneMismatch) -> Result {
        precondition(isComplete, "the exchange is not complete")
        let sorted = reports.sorted { $0.lane < $1.lane }
        guard sorted.map(\.lane) == Array(0..<laneCount) else {
            throw LaneMismatch(lanes: sorted.map(\.lane), laneCount: laneCount)
        }
        return Result(sums: sums, maxima: maxima, reports: sorted.map(\.report))
    }

    // MARK: - Chunks

    private func scatter(_ accumulator: IntVector) -> [Outgoing] {
        var outgoing: [Outgoing] = []
        for target in 0..<plan.worldSize {
            for chunk in plan.chunksOfRank[target] {
                let range = plan.chunks[chunk]
                let part = Part(phase: .contribution, sourceRank: rank, chunk: chunk)
                let source = UnsafeRawBufferPointer(
                    UnsafeBufferPointer(rebasing: accumulator.elements[range]))
                if target == rank {
                    accepted.insert(part)
                    outgoing += addElements(chunk, source)
                } else {
                    outgoing.append(
                        Outgoing(
                            targetRank: target, part: part,
                            payload: SharedBytes(source, owner: accumulator)))
                }
            }
        }
        return outgoing
    }

    private func acceptChunk(
        _ part: Part, _ payload: UnsafeRawBufferPointer, owner: Int, _ take: () -> [Outgoing]
    ) -> AcceptOutcome {
        guard plan.chunksOfRank[owner].contains(part.chunk) else {
            return .malformed("chunk \(part.chunk) is not in the slice of rank \(owner)")
        }
        let expected = plan.chunks[part.chunk].count * MemoryLayout<Int32>.size
        guard payload.count == expected else {
            return .malformed("chunk \(part.chunk) has \(payload.count) bytes, not \(expected)")
        }
        accepted.insert(part)
        return .accepted(take())
    }

    /// Adds a contribution to a chunk of the own slice; the last one makes it a result.
    private func addElements(_ chunk: Int, _ source: UnsafeRawBufferPointer) -> [Outgoing] {
        let range = plan.chunks[chunk]
        if contributionCounts[chunk] == 0 {
            copy(source, to: range)
        } else {
            accord_add_int32(sums.pointer + range.lowerBound, source.baseAddress, range.count)
        }
        contributionCounts[chunk] += 1
        guard contributionCounts[chunk] == plan.worldSize else { return [] }
        missingChunks -= 1
        let part = Part(phase: .result, sourceRank: rank, chunk: chunk)
        accepted.insert(part)
        let reduced = UnsafeBufferPointer(rebasing: sums.elements[range])
        let payload = SharedBytes(UnsafeRawBufferPointer(reduced), owner: sums)
        return (0..<plan.worldSize).filter { $0 != rank }
            .map { Outgoing(targetRank: $0, part: part, payload: payload) }
    }

    private func store(_ chunk: Int, _ payload: UnsafeRawBufferPointer) -> [Outgoing] {
        copy(payload, to: plan.chunks[chunk])
        missingChunks -= 1
        return []
    }

    /// Frames may begin at any address, so bytes are copied and not numbers.
    private func copy(_ source: UnsafeRawBufferPointer, to range: Range<Int>) {
        UnsafeMutableRawBufferPointer(start: sums.pointer + range.lowerBound, count: source.count)
            .copyBytes(from: source)
    }

    // MARK: - Reports

    private func acceptReports(_ part: Part, _ payload: UnsafeRawBufferPointer) -> AcceptOutcome {
        do {
            let (maxima, reports) = try Self.decode(
                Array(payload), tensorCount: self.maxima.count)
            accepted.insert(part)
            merge(maxima: maxima, reports: reports)
            return .accepted([])
        } catch {
            return .malformed("reports of rank \(part.sourceRank): \(error)")
        }
    }

    private func merge(maxima other: [UInt8], reports more: [LaneContribution]) {
        missingReports -= 1
        maxima = zip(maxima, other).map { max($0, $1) }
        reports += more
    }

    private static func encode(_ contribution: LaneAccumulator.Contribution) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(block: contribution.maxima)
        writer.write(each: contribution.reports) { writer, contribution in
            writer.write(UInt32(contribution.lane))
            writer.write(block: contribution.report)
        }
        return writer.bytes
    }

    private static func decode(
        _ payload: [UInt8], tensorCount: Int
    ) throws(MalformedBytes) -> ([UInt8], [LaneContribution]) {
        var reader = ByteReader(payload)
        let maxima = try reader.readBlock("maxima")
        guard maxima.count == tensorCount else {
            throw MalformedBytes(
                field: "maxima", offset: 0, rule: "\(maxima.count) tensors, not \(tensorCount)")
        }
        let reports = try reader.readEach("reports", elementBytesMin: 8) {
            reader throws(MalformedBytes) in
            LaneContribution(
                lane: Int(try reader.read(UInt32.self, "lane")),
                report: try reader.readBlock("report"))
        }
        try reader.expectEnd("reports")
        return (maxima, reports)
    }
}
