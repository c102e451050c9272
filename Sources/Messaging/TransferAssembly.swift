// SPDX-License-Identifier: Apache-2.0
import Primitives

/// The pieces of a resource that have come so far, in any order and perhaps several times.
struct TransferAssembly {
    enum Outcome: Equatable {
        case incomplete
        case complete([UInt8])
        /// The peer does not have the resource.
        case missing
        /// The answer is not what was sent; whatever it says.
        case damaged
    }

    /// A size that somebody tells takes no more memory than this before the bytes are there.
    private static let reservedBytesMax: UInt64 = 1 << 30

    /// Of the whole resource, as the first answer tells it.
    private(set) var totalBytes: UInt64?
    /// All that has come without a hole.
    private var whole: [UInt8] = []
    /// Pieces after a hole, by offset.
    private var early: [UInt64: SharedBytes] = [:]

    /// - Parameter frames: of the answer to a request for a whole piece, as `TransferAnswer` says.
    mutating func add(
        _ frames: [SharedBytes]
    ) throws(MalformedBytes) -> (offset: UInt64, outcome: Outcome) {
        guard let header = frames.first, let piece = frames.last, frames.count == 2 else {
            throw MalformedBytes(
                field: "answer", offset: 0, rule: "\(frames.count) frames, not 2")
        }
        var reader = ByteReader(header.bytes)
        let offset = try reader.read(UInt64.self, "offset")
        let size = try reader.read(UInt64.self, "size")
        let checksum = try reader.read(UInt32.self, "checksum")
        try reader.expectEnd("header")
        guard checksum == TransferAnswer.checksum(of: Array(header.bytes.prefix(16)), piece) else {
            return (offset, .damaged)
        }
        guard size != .max else { return (offset, .missing) }
        guard size == totalBytes ?? size else {
            throw MalformedBytes(field: "size", offset: 8, rule: "it was another before")
        }
        try check(piece.count, at: offset, of: size)
        if totalBytes == nil {
            totalBytes = size
            whole = [UInt8](reservingBytes: Int(min(size, Self.reservedBytesMax)))
        }
        if offset < size { keep(piece, at: offset) }
        return (offset, UInt64(whole.count) == size ? .complete(whole) : .incomplete)
    }

    /// A piece lies where one was asked for and is as long as that, so pieces follow each other.
    private func check(
        _ count: Int, at offset: UInt64, of size: UInt64
    ) throws(MalformedBytes) {
        let pieceBytes = UInt64(TransferRequest.pieceBytesMax)
        let expected = offset < size ? min(pieceBytes, size - offset) : 0
        guard offset.isMultiple(of: pieceBytes), count == expected else {
            throw MalformedBytes(
                field: "piece", offset: 0,
                rule: "\(count) bytes at \(offset) of \(size) were not asked for")
        }
    }

    private mutating func keep(_ piece: SharedBytes, at offset: UInt64) {
        if offset > UInt64(whole.count) { early[offset] = piece }
        guard offset == UInt64(whole.count) else { return }
        whole += piece.bytes
        while let next = early.removeValue(forKey: UInt64(whole.count)) { whole += next.bytes }
    }
}
