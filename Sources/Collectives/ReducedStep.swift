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

    /// So many sums are packed in memory that the caches hold; a multiple of the packed blocks.
    private static let sumsAtOnce = 128 * PackedSums.blockElements

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

    /// The bytes with which a peer that missed the result is served. The sums are packed: whoever
    /// keeps results for joiners needs much memory at once, which costs more than packing.
    ///
    /// - Parameter packed: the sums as `PackedSums` writes them, in pieces, if somebody has packed
    ///   them already.
    package func encode(packed: [[UInt8]]? = nil) -> [UInt8] {
        // Room for all: a growing array would move, and be touched page by page again. What is not
        // written takes no memory.
        let reportBytes = reports.reduce(0) { $0 + 4 + $1.count }
        var writer = ByteWriter(
            reservingBytes: 64 + scales.count + maxima.count + reportBytes
                + PackedSums.bytesMax(elementCount: sums.count))
        writer.write(step.number)
        writer.write(UInt8(attempt))
        writer.write(block: scales)
        writer.write(block: maxima)
        writer.write(each: reports) { $0.write(block: $1) }
        writer.write(UInt64(sums.count))
        if let packed {
            for piece in packed { piece.withUnsafeBytes { writer.write(raw: $0) } }
        } else {
            writePackedSums(to: &writer)
        }
        return writer.bytes
    }

    private func writePackedSums(to writer: inout ByteWriter) {
        let sumsAtOnce = min(Self.sumsAtOnce, max(1, sums.count))
        let bytesMax = PackedSums.bytesMax(elementCount: sumsAtOnce)
        withUnsafeTemporaryAllocation(byteCount: bytesMax, alignment: 64) { packed in
            for start in stride(from: 0, to: sums.count, by: sumsAtOnce) {
                let end = min(start + sumsAtOnce, sums.count)
                let count = PackedSums.pack(
                    UnsafeBufferPointer(rebasing: sums.elements[start..<end]), into: packed)
                writer.write(raw: UnsafeRawBufferPointer(rebasing: packed[..<count]))
            }
        }
    }

    /// - Parameter elementCount: of the run; a peer may tell anything.
    package init(decoding bytes: [UInt8], elementCount: Int) throws(MalformedBytes) {
        var reader = ByteReader(bytes)
        let step = try reader.readStep("step")
        let attempt = Int(try reader.read(UInt8.self, "attempt"))
        let scales = try reader.readBlock("scales")
        let maxima = try reader.readBlock("maxima")
        let reports = try reader.readEach("reports", elementBytesMin: 4) {
            reader throws(MalformedBytes) in try reader.readBlock("report")
        }
        let count = try reader.read(UInt64.self, "sum count")
        guard count == UInt64(elementCount) else {
            throw MalformedBytes(
                field: "sum count", offset: bytes.count - reader.remainingBytes - 8,
                rule: "the run has \(elementCount) sums, not \(count)")
        }
        let packed = try reader.readRaw(reader.remainingBytes, "sums")
        let sums = try packed.withUnsafeBytes { packed in
            Result { () throws(MalformedBytes) in
                try IntVector(unpacking: packed, count: elementCount)
            }
        }.get()
        self.init(
            key: AccumulationKey(step: step, attempt: attempt), scales: scales,
            exchanged: .init(sums: sums, maxima: maxima, reports: reports))
    }
}
