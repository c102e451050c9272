// SPDX-License-Identifier: Apache-2.0
import Primitives
import Testing

@testable import Messaging

@Suite struct TransferTests {
    private static let resource = TransferResource(.state, Step(12))
    private static let piece = Int(TransferRequest.pieceBytesMax)

    private static func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 / 251 &+ $0) }
    }

    private func fetch(
        from peer: TransferPeer, silenceSecondsMax: Int = 10,
        isCancelled: () -> Bool = { false }
    ) throws -> [UInt8] {
        // The peer goes with its last reference.
        try withExtendedLifetime(peer) {
            try TransferClient(MessagingContext(), Self.resource, from: peer.endpoint)
                .fetch(silenceSecondsMax: silenceSecondsMax, isCancelled: isCancelled)
        }
    }

    private func failure(_ answers: @escaping TransferPeer.Rule) throws -> TransferFailure {
        let peer = try TransferPeer(answers)
        return try #require(throws: TransferFailure.self) { try fetch(from: peer) }
    }

    // Up to twelve pieces: more than are asked for ahead.
    @Test(arguments: [0, 1, piece - 1, piece, piece + 1, 3 * piece, 11 * piece + 17])
    func aResourceArrivesWhole(byteCount: Int) throws {
        let bytes = Self.bytes(byteCount)
        let peer = try TransferPeer(having: bytes)

        #expect(try fetch(from: peer) == bytes)
    }

    @Test func answersMayComeTwice() throws {
        let bytes = Self.bytes(2 * Self.piece + 5)
        let peer = try TransferPeer { request in
            let answer = try TransferRequest(decoding: request).answer(from: bytes)
            return [answer, answer]
        }

        #expect(try fetch(from: peer) == bytes)
    }

    @Test func aPeerWithoutTheResourceSaysSo() throws {
        let peer = try TransferPeer(having: nil)

        let failure = #expect(throws: TransferFailure.self) { try fetch(from: peer) }

        #expect(failure?.reason == "the peer does not have it")
        #expect(
            failure?.description
                == "fetching the state of step 12 from \(peer.endpoint): the peer does not have it")
    }

    @Test func aTransferThatIsNotNeededAnyMoreEnds() throws {
        let peer = try TransferPeer { _ in [] }
        var questions = 0

        let failure = #expect(throws: TransferFailure.self) {
            try fetch(from: peer) {
                questions += 1
                return questions > 3
            }
        }

        #expect(failure?.reason == "not needed any more")
        #expect(questions == 4)
    }

    @Test func aSilentPeerIsGivenUp() throws {
        let peer = try TransferPeer { _ in [] }

        let failure = #expect(throws: TransferFailure.self) {
            try fetch(from: peer, silenceSecondsMax: 0)
        }

        #expect(failure?.reason == "the peer is silent")
    }

    // MARK: - Peers that lie

    @Test(arguments: [0, 1, 8, 15])
    func answersThatAreTooShortEndTheTransfer(byteCount: Int) throws {
        let failure = try failure { _ in [[UInt8](repeating: 0, count: byteCount)] }
        #expect(failure.reason.contains("needs 8 bytes"))
    }

    @Test func aSizeThatChangesEndsTheTransfer() throws {
        let failure = try failure { bytes in
            let request = try TransferRequest(decoding: bytes)
            return [request.answer(from: Self.bytes(Self.piece + 1 + Int(request.offset >> 19)))]
        }
        #expect(failure.reason.contains("size"))
    }

    /// Pieces that add up to the size, but not to the resource.
    @Test func piecesThatWereNotAskedForEndTheTransfer() throws {
        let failure = try failure { _ in
            [(3, 6), (1, 4)].map { offset, count in
                var writer = ByteWriter()
                writer.write(UInt64(offset))
                writer.write(UInt64(10))
                return writer.bytes + [UInt8](repeating: 7, count: count)
            }
        }
        #expect(failure.reason.contains("not asked for"))
    }

    @Test func aFrameLongerThanAnyAnswerIsNeverRead() throws {
        let peer = try TransferPeer { _ in [[UInt8](repeating: 0, count: Self.piece + 65)] }

        let failure = #expect(throws: TransferFailure.self) {
            try fetch(from: peer, silenceSecondsMax: 1)
        }

        #expect(failure?.reason == "the peer is silent")
    }
}
