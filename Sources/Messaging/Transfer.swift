// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives

/// Something large that a peer serves on request, piece by piece.
package struct TransferResource: Hashable, Sendable, CustomStringConvertible {
    package enum Kind: UInt8, Sendable {
        /// An encoded snapshot of the whole state.
        case state = 1
        /// The reduced result of a step.
        case reduced = 2
        /// Nothing: an answer shows that the peer lives.
        case presence = 3
    }

    package let kind: Kind
    package let step: Step

    package init(_ kind: Kind, _ step: Step) {
        self.kind = kind
        self.step = step
    }

    package static let presence = TransferResource(.presence, .initial)

    package var description: String {
        "\(kind == .reduced ? "result" : "\(kind)") of step \(step)"
    }
}

/// Asks for a piece of a resource.
package struct TransferRequest: Equatable, Sendable {
    package let resource: TransferResource
    package let offset: UInt64
    package let count: UInt32

    /// Distinguishes requests from other frames on the data plane.
    package static let marker: UInt8 = 2
    /// However much is asked for: a request cannot make the peer copy all it has.
    static let pieceBytesMax: UInt32 = 512 << 10

    package func encode() -> [UInt8] {
        var writer = ByteWriter()
        writer.write(Self.marker)
        writer.write(resource.kind.rawValue)
        writer.write(resource.step.number)
        writer.write(offset)
        writer.write(count)
        return writer.bytes
    }

    package init(resource: TransferResource, offset: UInt64, count: UInt32) {
        self.resource = resource
        self.offset = offset
        self.count = count
    }

    package init(decoding bytes: [UInt8]) throws(MalformedBytes) {
        var reader = ByteReader(bytes)
        let marker = try reader.read(UInt8.self, "marker")
        let raw = try reader.read(UInt8.self, "resource kind")
        guard marker == Self.marker, let kind = TransferResource.Kind(rawValue: raw) else {
            throw MalformedBytes(field: "request", offset: 0, rule: "not a transfer request")
        }
        resource = TransferResource(kind, Step(try reader.read(UInt64.self, "step")))
        offset = try reader.read(UInt64.self, "offset")
        count = try reader.read(UInt32.self, "count")
        try reader.expectEnd("request")
    }

    /// The answer from the whole bytes, or "not here" for nil.
    package func answer(from whole: [UInt8]?) -> TransferAnswer {
        guard let whole else {
            return TransferAnswer(offset: offset, size: .max, piece: SharedBytes([]))
        }
        let start = Int(min(offset, UInt64(whole.count)))
        let end = min(whole.count, start + Int(min(count, Self.pieceBytesMax)))
        let shared = SharedBytes(sharing: whole)
        return TransferAnswer(
            offset: offset, size: UInt64(whole.count),
            piece: SharedBytes(
                UnsafeRawBufferPointer(rebasing: shared.bytes[start..<end]), owner: shared.owner))
    }
}

/// A piece of a resource, and where it lies in the whole.
///
/// Two frames: offset 8, size of the whole 8, all ones for "not here", and CRC-32C 4 of both and of
/// the piece, little-endian; then the piece, which is sent from where it lies.
package struct TransferAnswer {
    package let header: [UInt8]
    package let piece: SharedBytes

    package init(offset: UInt64, size: UInt64, piece: SharedBytes) {
        var writer = ByteWriter(reservingBytes: 20)
        writer.write(offset)
        writer.write(size)
        writer.write(Self.checksum(of: writer.bytes, piece))
        header = writer.bytes
        self.piece = piece
    }

    /// - Parameter place: offset and size, 16 bytes.
    static func checksum(of place: [UInt8], _ piece: SharedBytes) -> UInt32 {
        accord_crc32c(
            accord_crc32c(0, place, place.count), piece.bytes.baseAddress, piece.bytes.count)
    }
}
