// SPDX-License-Identifier: Apache-2.0
import Primitives

/// The maxima and lane reports of all ranks, as they come in.
struct RankReports {
    /// What one rank says beside its sums.
    struct Report: Equatable {
        /// Exponent byte per tensor, the maximum over its lanes.
        var maxima: [UInt8]
        var lanes: [LaneContribution]
        var lastMicroseconds: UInt32
    }

    private var known: Set<Int> = []
    private(set) var missingCount: Int
    /// Exponent byte per tensor, the maximum over the ranks that are known.
    private(set) var maxima: [UInt8]
    private(set) var lastMicroseconds: [UInt32]
    private var lanes: [LaneContribution] = []

    init(worldSize: Int, tensorCount: Int) {
        missingCount = worldSize
        maxima = [UInt8](repeating: 0, count: tensorCount)
        lastMicroseconds = [UInt32](repeating: 0, count: worldSize)
    }

    var isComplete: Bool { missingCount == 0 }

    func has(_ rank: Int) -> Bool { known.contains(rank) }

    mutating func insert(_ rank: Int, _ report: Report) {
        guard known.insert(rank).inserted else { return }
        missingCount -= 1
        maxima = zip(maxima, report.maxima).map { max($0, $1) }
        lastMicroseconds[rank] = report.lastMicroseconds
        lanes += report.lanes
    }

    mutating func insert(_ rank: Int, encoded: [UInt8]) throws(MalformedBytes) {
        insert(rank, try Report(decoding: encoded, tensorCount: maxima.count))
    }

    func inLaneOrder(laneCount: Int) throws(TreeExchange.LaneMismatch) -> [[UInt8]] {
        let sorted = lanes.sorted { $0.lane < $1.lane }
        guard sorted.map(\.lane) == Array(0..<laneCount) else {
            throw TreeExchange.LaneMismatch(lanes: sorted.map(\.lane), laneCount: laneCount)
        }
        return sorted.map(\.report)
    }
}

extension RankReports.Report {
    func encode() -> [UInt8] {
        var writer = ByteWriter()
        writer.write(lastMicroseconds)
        writer.write(block: maxima)
        writer.write(each: lanes) { writer, contribution in
            writer.write(UInt32(contribution.lane))
            writer.write(block: contribution.report)
        }
        return writer.bytes
    }

    init(decoding payload: [UInt8], tensorCount: Int) throws(MalformedBytes) {
        var reader = ByteReader(payload)
        lastMicroseconds = try reader.read(UInt32.self, "microseconds")
        maxima = try reader.readBlock("maxima")
        guard maxima.count == tensorCount else {
            throw MalformedBytes(
                field: "maxima", offset: 4, rule: "\(maxima.count) tensors, not \(tensorCount)")
        }
        lanes = try reader.readEach("reports", elementBytesMin: 8) {
            reader throws(MalformedBytes) in
            LaneContribution(
                lane: Int(try reader.read(UInt32.self, "lane")),
                report: try reader.readBlock("report"))
        }
        try reader.expectEnd("reports")
    }
}
