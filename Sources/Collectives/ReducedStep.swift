// SPDX-License-Identifier: Apache-2.0
import Primitives

/// The complete result of an all-reduce: all that a worker needs to apply a step.
package struct ReducedStep: Sendable {
    package let step: Step
    /// 1 or 2.
    package let attempt: Int
    /// The remembered exponent bytes with which the lanes were quantised.
    package let scales: [UInt8]
    package let sums: IntVector
    /// Exponent byte per tensor, the maximum over all lanes.
    package let maxima: [UInt8]
    /// Encoded lane reports in lane order.
    package let reports: [[UInt8]]

    package init(
        key: AccumulationKey, scales: [UInt8], exchanged: TreeExchange.Result
    ) {
        step = key.step
        attempt = key.attempt
        self.scales = scales
        sums = exchanged.sums
        maxima = exchanged.maxima
        reports = exchanged.reports
    }

    /// The bytes with which a peer that missed the result is served.
    package func encode() -> [UInt8] {
        // Room for all: a growing array would move, and be touched page by page again.
        let reportBytes = reports.reduce(0) { $0 + 4 + $1.count }
        var writer = ByteWriter(
            reservingBytes: 64 + scales.count + maxima.count + reportBytes + 4 * sums.count)
        writer.write(step.number)
        writer.write(UInt8(attempt))
        writer.write(block: scales)
        writer.write(block: maxima)
        writer.write(each: reports) { $0.write(block: $1) }
        writer.write(UInt64(sums.count))
        writer.write(raw: UnsafeRawBufferPointer(sums.elements))
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(MalformedBytes) {
        var reader = ByteReader(bytes)
        let step = try reader.readStep("step")
        let attempt = Int(try reader.read(UInt8.self, "attempt"))
        let scales = try reader.readBlock("scales")
        let maxima = try reader.readBlock("maxima")
        let reports = try reader.readEach("reports", elementBytesMin: 4) {
            reader throws(MalformedBytes) in try reader.readBlock("report")
        }
        let count = try reader.read(UInt64.self, "sum count")
        guard count == UInt64(reader.remainingBytes / 4), reader.remainingBytes % 4 == 0 else {
            throw MalformedBytes(
                field: "sums", offset: bytes.count - reader.remainingBytes,
                rule: "\(count) sums do not fill \(reader.remainingBytes) bytes")
        }
        let raw = try reader.readRaw(reader.remainingBytes, "sums")
        let sums = raw.withUnsafeBytes { IntVector(copying: $0) }
        self.init(
            key: AccumulationKey(step: step, attempt: attempt), scales: scales,
            exchanged: .init(sums: sums, maxima: maxima, reports: reports))
    }
}
