// SPDX-License-Identifier: Apache-2.0
import Primitives
import Synchronization
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
            try TransferClient(
                MessagingContext(), Self.resource, from: [TransferSource(peer.endpoint)]
            )
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
            let answer = try TransferPeer.answer(request, from: bytes)
            return [answer, answer]
        }

        #expect(try fetch(from: peer) == bytes)
    }

    /// Bits of headers and pieces, flipped on their way.
    @Test(arguments: [(0, 3), (0, 12), (0, 18), (1, 0), (1, 77)])
    func aDamagedAnswerIsAskedForAgain(frame: Int, byte: Int) throws {
        let bytes = Self.bytes(9 * Self.piece + 5)
        let answerCount = Mutex(0)
        let peer = try TransferPeer { request in
            var answer = try TransferPeer.answer(request, from: bytes)
            let number = answerCount.withLock { count in
                count += 1
                return count
            }
            if [1, 4].contains(number) { answer[frame][byte] ^= 0x10 }
            return [answer]
        }

        #expect(try fetch(from: peer) == bytes)
        #expect(answerCount.withLock { $0 } > 10)
    }

    @Test func aPeerWhoseAnswersAreAllDamagedIsGivenUp() throws {
        let failure = try failure { request in
            var answer = try TransferPeer.answer(request, from: [1, 2, 3])
            answer[0][0] ^= 1
            return [answer]
        }
        #expect(failure.description.contains("17 answers were damaged"))
    }

    @Test func aPeerWithoutTheResourceSaysSo() throws {
        let peer = try TransferPeer(having: nil)

        let failure = #expect(throws: TransferFailure.self) { try fetch(from: peer) }

        #expect(failure?.cause == .missing)
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

        #expect(failure?.cause == .cancelled)
        #expect(questions == 4)
    }

    @Test func aSilentPeerIsGivenUp() throws {
        let peer = try TransferPeer { _ in [] }

        let failure = #expect(throws: TransferFailure.self) {
            try fetch(from: peer, silenceSecondsMax: 0)
        }

        #expect(failure?.cause == .silence)
    }

    // MARK: - Several peers

    private func fetch(from peers: [TransferPeer]) throws -> [UInt8] {
        try withExtendedLifetime(peers) {
            try TransferClient(
                MessagingContext(), Self.resource, from: peers.map { TransferSource($0.endpoint) }
            )
            .fetch { false }
        }
    }

    /// Counts what it was asked for.
    private final class CountingPeer: Sendable {
        let peer: TransferPeer
        private let counted: Mailbox<Bool>

        init(having bytes: [UInt8]?, answersMax: Int = .max) throws {
            let counted = Mailbox<Bool>()
            let left = Mutex(answersMax)
            self.counted = counted
            peer = try TransferPeer { request in
                counted.post(true)
                guard
                    left.withLock({
                        $0 -= 1; return $0 >= 0
                    })
                else { return [] }
                return [try TransferPeer.answer(request, from: bytes)]
            }
        }

        var count: Int { counted.drain().count }
    }

    @Test func severalPeersShareTheWork() throws {
        let bytes = Self.bytes(40 * Self.piece + 3)
        let peers = try (0..<3).map { _ in try CountingPeer(having: bytes) }

        #expect(try fetch(from: peers.map(\.peer)) == bytes)

        let counts = peers.map(\.count)
        #expect(counts.allSatisfy { $0 >= 8 }, "each is asked at least for what goes ahead")
        #expect(counts.reduce(0, +) >= 41)
    }

    @Test func aPeerWithoutTheResourceLeavesItToTheOthers() throws {
        let bytes = Self.bytes(20 * Self.piece)
        let peers = try [nil, bytes, nil].map { try TransferPeer(having: $0) }

        #expect(try fetch(from: peers) == bytes)
    }

    @Test func whenNobodyHasItTheTransferFails() throws {
        let peers = try (0..<2).map { _ in try TransferPeer(having: nil) }

        let failure = #expect(throws: TransferFailure.self) { try fetch(from: peers) }
        #expect(failure?.cause == .missing)
    }

    @Test func thePiecesOfAPeerThatFallsSilentComeFromTheOthers() throws {
        let bytes = Self.bytes(30 * Self.piece + 9)
        let silent = try CountingPeer(having: bytes, answersMax: 2)
        let good = try CountingPeer(having: bytes)

        #expect(try fetch(from: [silent.peer, good.peer]) == bytes)

        #expect(silent.count > 2)
        #expect(good.count >= 29)
    }

    // MARK: - Peers that lie

    @Test(arguments: [0, 1, 8, 15, 16, 19])
    func answersThatAreTooShortEndTheTransfer(byteCount: Int) throws {
        let failure = try failure { _ in [[[UInt8](repeating: 0, count: byteCount), []]] }
        #expect(failure.description.contains("needs \(byteCount < 16 ? 8 : 4) bytes"))
    }

    @Test func aHeaderThatIsTooLongEndsTheTransfer() throws {
        let failure = try failure { _ in [[[UInt8](repeating: 0, count: 21), []]] }
        #expect(failure.description.contains("header"))
    }

    @Test(arguments: [1, 3])
    func answersOfAnotherNumberOfFramesEndTheTransfer(count: Int) throws {
        let failure = try failure { request in
            let answer = try TransferPeer.answer(request, from: [1, 2, 3])
            return [Array((answer + [[]]).prefix(count))]
        }
        #expect(failure.description.contains("\(count) frames, not 2"))
    }

    @Test func aSizeThatChangesEndsTheTransfer() throws {
        let failure = try failure { bytes in
            let pieceNumber = Int(try TransferRequest(decoding: bytes).offset >> 19)
            let whole = Self.bytes(Self.piece + 1 + pieceNumber)
            return [try TransferPeer.answer(bytes, from: whole)]
        }
        #expect(failure.description.contains("size"))
    }

    /// Pieces that add up to the size, but not to the resource.
    @Test func piecesThatWereNotAskedForEndTheTransfer() throws {
        let failure = try failure { _ in
            ([(3, 6), (1, 4)] as [(UInt64, Int)]).map { offset, count in
                let answer = TransferAnswer(
                    offset: offset, size: 10,
                    piece: SharedBytes([UInt8](repeating: 7, count: count)))
                return [answer.header, answer.piece.copy()]
            }
        }
        #expect(failure.description.contains("not asked for"))
    }

    @Test func aFrameLongerThanAnyAnswerIsNeverRead() throws {
        let peer = try TransferPeer { _ in [[[UInt8](repeating: 0, count: Self.piece + 65)]] }

        let failure = #expect(throws: TransferFailure.self) {
            try fetch(from: peer, silenceSecondsMax: 1)
        }

        #expect(failure?.cause == .silence)
    }
}
