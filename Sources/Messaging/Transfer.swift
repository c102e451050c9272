// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Something large that a peer serves on request, piece by piece.
package struct TransferResource: Hashable, Sendable, CustomStringConvertible {
    package enum Kind: UInt8, Sendable {
        /// An encoded snapshot of the whole state.
        case state = 1
        /// The reduced result of a step.
        case reduced = 2
    }

    package let kind: Kind
    package let step: Step

    package init(_ kind: Kind, _ step: Step) {
        self.kind = kind
        self.step = step
    }

    package var description: String { "\(kind) of step \(step)" }
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
    package func answer(from bytes: [UInt8]?) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(offset)
        guard let bytes else {
            writer.write(UInt64.max)
            return writer.bytes
        }
        let start = Int(min(offset, UInt64(bytes.count)))
        let end = min(bytes.count, start + Int(min(count, Self.pieceBytesMax)))
        writer.write(UInt64(bytes.count))
        bytes.withUnsafeBytes {
            writer.write(raw: UnsafeRawBufferPointer(rebasing: $0[start..<end]))
        }
        return writer.bytes
    }
}

/// Why a transfer did not happen.
package struct TransferFailure: Error, Sendable, CustomStringConvertible {
    package let resource: TransferResource
    package let endpoint: String
    package let reason: String

    package var description: String { "fetching the \(resource) from \(endpoint): \(reason)" }
}

/// Fetches a resource from a peer, in pieces, several requests ahead.
///
/// Isolation: blocks; a thread of its own.
package struct TransferClient {
    private static let requestsAhead = 8

    private let context: MessagingContext
    private let resource: TransferResource
    private let endpoint: String
    private let peerKey: PublicKey?

    /// - Parameter peerKey: of whoever listens there, if the context encrypts.
    package init(
        _ context: MessagingContext, _ resource: TransferResource, from endpoint: String,
        peerKey: PublicKey? = nil
    ) {
        self.context = context
        self.resource = resource
        self.endpoint = endpoint
        self.peerKey = peerKey
    }

    /// - Parameter isCancelled: asked several times a second.
    /// - Parameter silenceSecondsMax: gives up when nothing has come for so long.
    package func fetch(
        silenceSecondsMax: Int = 10, isCancelled: () -> Bool
    ) throws(TransferFailure) -> [UInt8] {
        do {
            return try run(silenceSecondsMax * 10, isCancelled)
        } catch let failure as TransferFailure {
            throw failure
        } catch {
            throw failure("\(error)")
        }
    }

    private func failure(_ reason: String) -> TransferFailure {
        TransferFailure(resource: resource, endpoint: endpoint, reason: reason)
    }

    private func run(_ silentPollsMax: Int, _ isCancelled: () -> Bool) throws -> [UInt8] {
        let pieceBytes = TransferRequest.pieceBytesMax
        let socket = try Socket(
            .dealer(identity: []), context, messageBytesMax: Int(pieceBytes) + 64)
        try socket.connect(endpoint, to: peerKey)
        let wakeUp = WakeUp()
        var assembly = TransferAssembly()
        var asked: UInt64 = 0
        var silentPolls = 0
        func ask() throws {
            let request = TransferRequest(resource: resource, offset: asked, count: pieceBytes)
            _ = try socket.send([request.encode()])
            asked += UInt64(pieceBytes)
        }
        for _ in 0..<Self.requestsAhead { try ask() }
        while true {
            if isCancelled() { throw failure("not needed any more") }
            guard let frame = try socket.receive()?.last else {
                silentPolls += 1
                guard silentPolls <= silentPollsMax else { throw failure("the peer is silent") }
                poll([socket], wakeUp, timeoutMilliseconds: 100)
                continue
            }
            silentPolls = 0
            switch try assembly.add(frame) {
            case .complete(let whole): return whole
            case .missing: throw failure("the peer does not have it")
            case .incomplete: if asked < assembly.totalBytes ?? 0 { try ask() }
            }
        }
    }
}
