// SPDX-License-Identifier: Apache-2.0
import Primitives

/// The maxima and lane reports of all ranks, as they come in.
struct RankReports {
    private var known: Set<Int> = []
    private(set) var missingCount: Int
    /// Exponent byte per tensor, the maximum over the ranks that are known.
    private(set) var maxima: [UInt8]
    private var reports: [LaneContribution] = []

    init(worldSize: Int, tensorCount: Int) {
        missingCount = worldSize
        maxima = [UInt8](repeating: 0, count: tensorCount)
    }

    var isComplete: Bool { missingCount == 0 }

    func has(_ rank: Int) -> Bool { known.contains(rank) }

    mutating func insert(_ rank: Int, maxima other: [UInt8], _ more: [LaneContribution]) {
        guard known.insert(rank).inserted else { return }
        missingCount -= 1
        maxima = zip(maxima, other).map { max($0, $1) }
        reports += more
    }

    mutating func insert(_ rank: Int, encoded: [UInt8]) throws(MalformedBytes) {
        let (maxima, reports) = try Self.decode(encoded, tensorCount: self.maxima.count)
        insert(rank, maxima: maxima, reports)
    }

    func inLaneOrder(laneCount: Int) throws(TreeExchange.LaneMismatch) -> [[UInt8]] {
        let sorted = reports.sorted { $0.lane < $1.lane }
        guard sorted.map(\.lane) == Array(0..<laneCount) else {
            throw TreeExchange.LaneMismatch(lanes: sorted.map(\.lane), laneCount: laneCount)
        }
        return sorted.map(\.report)
    }

    static func encode(_ contribution: LaneAccumulator.Contribution) -> [UInt8] {
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
