// SPDX-License-Identifier: Apache-2.0
import Messaging
import Primitives
import Testing

/// Who is heard through encrypted sockets, and who is not.
@Suite struct EncryptionTests {
    @Test func aKnownPeerTalksBothWaysAndIsNamed() throws {
        let link = try GuardedLink()
        let dealer = try link.dealer(link.known)

        #expect(try dealer.send([[1], [2, 3]]) == .sent)
        let end = ContinuousClock.now + .seconds(10)
        var received: Socket.Received?
        while received == nil, ContinuousClock.now < end {
            poll([link.router], WakeUp(), timeoutMilliseconds: 100)
            received = try link.router.receiveWithSender()
        }

        let message = try #require(received)
        #expect(Array(message.frames.dropFirst()) == [[1], [2, 3]])
        #expect(message.sender == link.known.publicKey)
        #expect(try link.router.send([message.frames[0], [9]]) == .sent)
        #expect(try awaitMessage(dealer) == [[9]])
        #expect(link.router.refusedHandshakeCount == 0)
    }

    /// Encryption makes frames longer; what the protocol allows must still pass.
    @Test func theLargestMessageStillPasses() throws {
        let link = try GuardedLink(messageBytesMax: 1000)
        let dealer = try link.dealer(link.known)
        let largest = [UInt8](repeating: 3, count: 1000)

        _ = try dealer.send([largest])

        #expect(try awaitMessage(link.router)?.last == largest)
    }

    @Test func anOversizedMessageOfAKnownPeerIsNotRead() throws {
        let link = try GuardedLink(messageBytesMax: 1000)
        let dealer = try link.dealer(link.known)
        _ = try dealer.send([[7]])
        #expect(try awaitMessage(link.router)?.last == [7])

        _ = try dealer.send([[UInt8](repeating: 1, count: 5000)])

        #expect(try link.onlyTheKnownPeerIsHeard())
    }

    struct Stranger: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let own: KeyPair?
        var server: PublicKey?
    }

    @Test(arguments: [
        Stranger(testDescription: "an unknown key", own: .fresh()),
        Stranger(testDescription: "no key", own: nil),
        Stranger(
            testDescription: "another coordinator's key", own: .fresh(),
            server: KeyPair.fresh().publicKey),
    ])
    func aStrangerIsNotHeardAndCounted(_ stranger: Stranger) throws {
        let link = try GuardedLink()
        let dealer = try link.dealer(stranger.own, to: stranger.server)
        _ = try dealer.send([[6, 6, 6]])

        #expect(link.awaitRefused(1))
        #expect(try link.onlyTheKnownPeerIsHeard())
    }

    /// The known peer is not deceived either: it sends nothing to who cannot prove the right key.
    @Test func aKnownPeerDoesNotTalkToAnotherCoordinator() throws {
        let link = try GuardedLink()
        let dealer = try link.dealer(link.known, to: KeyPair.fresh().publicKey)
        _ = try dealer.send([[1]])

        #expect(link.awaitRefused(2))

        #expect(try link.router.receive() == nil)
        #expect(dealer.refusedHandshakeCount > 0)
    }

    @Test func aStrangerIsToldThatItsKeyIsUnknown() throws {
        let link = try GuardedLink()
        let dealer = try link.dealer(.fresh())

        let end = ContinuousClock.now + .seconds(30)
        while !dealer.isUnknownToPeer, ContinuousClock.now < end {
            poll([], WakeUp(), timeoutMilliseconds: 20)
        }

        #expect(dealer.isUnknownToPeer)
        #expect(try link.onlyTheKnownPeerIsHeard())
    }

    /// A peer may hear of its membership before the others do; it is not sent away for that.
    @Test func aPeerWaitsForItsAnnouncement() throws {
        let link = try GuardedLink(.wait)
        let late = KeyPair.fresh()
        let dealer = try link.dealer(late)
        _ = try dealer.send([[5]])
        let wakeUp = WakeUp()
        for _ in 0..<20 {
            poll([link.router], wakeUp, timeoutMilliseconds: 10)
            #expect(try link.router.receive() == nil)
        }

        link.allowed.announce([late.publicKey])

        #expect(try awaitMessage(link.router)?.last == [5])
        #expect(!dealer.isUnknownToPeer)
    }

    @Test func whoIsNotAnnouncedAnyMoreIsNotHeard() throws {
        let link = try GuardedLink(.wait)
        let former = KeyPair.fresh()
        link.allowed.announce([former.publicKey])
        link.allowed.announce([])
        let dealer = try link.dealer(former)
        _ = try dealer.send([[5]])

        #expect(link.awaitRefused(1))
        #expect(try link.onlyTheKnownPeerIsHeard())
    }

    // MARK: - No peers at all

    @Test func garbageIsNotHeardAndCounted() throws {
        let link = try GuardedLink()
        var generator = SeededGenerator(seed: 5, purpose: .testing)
        for length in [1, 12, 64, 100, 5000] {
            let connection = try RawConnection(to: link.endpoint)
            connection.write((0..<length).map { _ in UInt8(generator.next(below: 256)) })
            #expect(connection.isClosed(withinSeconds: 20))
        }

        #expect(link.awaitRefused(5))
        #expect(try link.onlyTheKnownPeerIsHeard())
        #expect(link.router.refusedHandshakeCount == 5)
    }

    /// The greeting of the protocol, and then nothing, or nothing at all.
    @Test(arguments: [0, 10, 64]) func whoStaysSilentIsDisconnected(byteCount: Int) throws {
        let link = try GuardedLink()
        let connection = try RawConnection(to: link.endpoint)
        var greeting: [UInt8] = [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0]
        greeting += Array("CURVE".utf8) + [UInt8](repeating: 0, count: 47)
        connection.write(Array(greeting.prefix(byteCount)))

        #expect(connection.isClosed(withinSeconds: 30))
        #expect(link.awaitRefused(1))
        #expect(try link.onlyTheKnownPeerIsHeard())
    }

    @Test func aRecordingOfAnEarlierConnectionIsNotHeard() throws {
        let link = try GuardedLink()
        let relay = try RecordingRelay(to: link.endpoint)
        let context = try MessagingContext(
            Encryption(own: link.known, allowed: AllowList([], .refuse)))
        let dealer = try Socket(.dealer(identity: []), context, messageBytesMax: 1000)
        try dealer.connect(relay.endpoint, to: link.own.publicKey)
        _ = try dealer.send([[1, 2, 3]])
        #expect(try awaitMessage(link.router)?.last == [1, 2, 3])
        let recording = relay.recording
        #expect(recording.count > 64)

        let replay = try RawConnection(to: link.endpoint)
        replay.write(recording)

        #expect(replay.isClosed(withinSeconds: 20))
        #expect(link.awaitRefused(1))
        #expect(try link.onlyTheKnownPeerIsHeard())
    }

    /// What a relay sees does not hold the message.
    @Test func nothingTravelsInClearText() throws {
        let link = try GuardedLink()
        let relay = try RecordingRelay(to: link.endpoint)
        let secret = Array("a title of a clip that is nobody's business".utf8)
        let context = try MessagingContext(
            Encryption(own: link.known, allowed: AllowList([], .refuse)))
        let dealer = try Socket(.dealer(identity: []), context, messageBytesMax: 1000)
        try dealer.connect(relay.endpoint, to: link.own.publicKey)
        _ = try dealer.send([secret])

        #expect(try awaitMessage(link.router)?.last == secret)
        #expect(!String(decoding: relay.recording, as: UTF8.self).contains("title"))
    }

    @Test func aContextWithKeysNeverSpeaksWithoutThePeersKey() throws {
        let link = try GuardedLink()
        let context = try MessagingContext(
            Encryption(own: link.known, allowed: AllowList([], .refuse)))
        let dealer = try Socket(.dealer(identity: []), context, messageBytesMax: 1000)

        let error = #expect(throws: ZeroMQError.self) { try dealer.connect(link.endpoint) }

        #expect(error?.description.contains("without the key of \(link.endpoint)") == true)
    }

    /// A peer that is refused again and again does not hang the end of its process.
    @Test func aRefusedPeerEndsAtOnce() throws {
        let link = try GuardedLink()
        let elapsed = try ContinuousClock().measure {
            let dealer = try link.dealer(link.known, to: KeyPair.fresh().publicKey)
            _ = try dealer.send([[1]])
            #expect(link.awaitRefused(2))
        }
        #expect(elapsed < .seconds(40))
    }

    @Test func aPlainSocketCountsGarbageToo() throws {
        let link = try Link(watches: true)
        let connection = try RawConnection(to: link.endpoint)
        connection.write(Array("GET / HTTP/1.1\r\n\r\n".utf8))
        _ = connection.isClosed(withinSeconds: 1)

        let end = ContinuousClock.now + .seconds(40)
        while link.router.refusedHandshakeCount == 0, ContinuousClock.now < end {
            poll([], WakeUp(), timeoutMilliseconds: 20)
        }

        #expect(link.router.refusedHandshakeCount == 1)
    }
}
