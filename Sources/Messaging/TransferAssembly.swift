// SPDX-License-Identifier: Apache-2.0
import Primitives

/// The pieces of a resource that have come so far, in any order and perhaps several times.
struct TransferAssembly {
    enum Outcome: Equatable {
        case incomplete
        case complete([UInt8])
        /// The peer does not have the resource.
        case missing
    }

    /// Of the whole resource, as the first answer tells it.
    private(set) var totalBytes: UInt64?
    private var pieces: [UInt64: ArraySlice<UInt8>] = [:]
    private var receivedBytes: UInt64 = 0

    /// - Parameter answer: what `TransferRequest.answer` makes of a request for a whole piece.
    mutating func add(
        _ answer: [UInt8]
    ) throws(MalformedBytes) -> (offset: UInt64, outcome: Outcome) {
        var reader = ByteReader(answer)
        let offset = try reader.read(UInt64.self, "offset")
        let size = try reader.read(UInt64.self, "size")
        guard size != .max else { return (offset, .missing) }
        guard size == totalBytes ?? size else {
            throw MalformedBytes(field: "size", offset: 8, rule: "it was another before")
        }
        totalBytes = size
        let piece = try reader.readRaw(reader.remainingBytes, "piece")
        try check(piece.count, at: offset, of: size)
        if offset < size, pieces.updateValue(piece, forKey: offset) == nil {
            receivedBytes += UInt64(piece.count)
        }
        return (offset, receivedBytes == size ? .complete(joined()) : .incomplete)
    }

    /// A piece lies where one was asked for and is as long as that, so pieces that add up to the
    /// size leave no hole.
    private func check(
        _ count: Int, at offset: UInt64, of size: UInt64
    ) throws(MalformedBytes) {
        let pieceBytes = UInt64(TransferRequest.pieceBytesMax)
        let expected = offset < size ? min(pieceBytes, size - offset) : 0
        guard offset.isMultiple(of: pieceBytes), count == expected else {
            throw MalformedBytes(
                field: "piece", offset: 16,
                rule: "\(count) bytes at \(offset) of \(size) were not asked for")
        }
    }

    private func joined() -> [UInt8] {
        var whole = [UInt8](largeCapacity: Int(receivedBytes))
        for (_, piece) in pieces.sorted(by: { $0.key < $1.key }) { whole += piece }
        return whole
    }
}
