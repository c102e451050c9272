// SPDX-License-Identifier: Apache-2.0
import Messaging
import Primitives
import Testing

@Suite struct SocketTests {
    @Test(arguments: [
        [[1, 2, 3]], [[]], [[], [1], []], [[7], [], [], [8, 9]],
        [[UInt8](repeating: 5, count: 70_000), [1]],
    ])
    func framesTravelBothWaysAsTheyAre(_ frames: [[UInt8]]) throws {
        let link = try Link()

        #expect(try link.dealer.send(frames) == .sent)
        #expect(try awaitMessage(link.router) == [Link.identity] + frames)
        #expect(try link.router.send([Link.identity] + frames) == .sent)
        #expect(try awaitMessage(link.dealer) == frames)
    }

    /// Notices when nobody holds it any more.
    private final class Owner {
        let memory: UnsafeMutableRawBufferPointer

        init(byteCount: Int) {
            memory = .allocate(byteCount: byteCount, alignment: 16)
            for index in 0..<byteCount { memory[index] = UInt8(truncatingIfNeeded: index / 7) }
        }

        deinit { memory.deallocate() }
    }

    @Test(arguments: [0, 1, 29, 30, 70_000, 20_000_000])
    func sharedBytesArriveAndTheirOwnerIsLetGo(byteCount: Int) throws {
        let link = try Link()
        var owner: Owner? = Owner(byteCount: byteCount)
        weak let witness = owner
        let expected = owner.map { Array($0.memory) }
        if let strong = owner {
            let bytes = SharedBytes(UnsafeRawBufferPointer(strong.memory), owner: strong)
            #expect(try link.dealer.send([[1], [2, 3]], bytes) == .sent)
        }
        owner = nil

        let received = try awaitMessage(link.router)
        #expect(received == [Link.identity, [1], [2, 3], expected ?? []])
        let wakeUp = WakeUp()
        for _ in 0..<1000 where witness != nil { poll([], wakeUp, timeoutMilliseconds: 5) }
        #expect(witness == nil)
    }

    /// Nobody is there to take it, so the socket gives it back at once.
    @Test func theOwnerOfBytesThatCannotBeSentIsLetGo() throws {
        let link = try Link()
        weak var witness: Owner?
        do {
            let owner = Owner(byteCount: 1000)
            witness = owner
            let bytes = SharedBytes(UnsafeRawBufferPointer(owner.memory), owner: owner)
            #expect(try link.router.send([[9, 9, 9]], bytes) == .wouldBlock)
        }
        #expect(witness == nil)
    }

    @Test func messagesOfOneSenderKeepTheirOrder() throws {
        let link = try Link()
        for number in 0..<200 as Range<UInt8> { _ = try link.dealer.send([[number], [0]]) }

        let received = try (0..<200).map { _ in try awaitMessage(link.router)?[1] }

        #expect(received == (0..<200).map { [UInt8($0)] })
    }

    @Test func aMessageOfTwentyMegabytesArrivesWhole() throws {
        let link = try Link()
        let bytes = [UInt8](unsafeUninitializedCapacity: 20_000_000) { buffer, count in
            for index in 0..<20_000_000 {
                buffer.initializeElement(at: index, to: UInt8(truncatingIfNeeded: index / 253))
            }
            count = 20_000_000
        }

        #expect(try link.dealer.send([bytes]) == .sent)

        let received = try awaitMessage(link.router)
        #expect(received?.count == 2)
        #expect(received?.last == bytes)
    }

    /// A dealer without an identity gets another one with each connection, so the router sees that
    /// the old one was closed.
    @Test func aFrameBeyondTheLimitEndsTheConnectionOfItsSender() throws {
        let link = try Link(identity: [], messageBytesMax: 1000)
        let largest = [UInt8](repeating: 1, count: 1000)
        _ = try link.dealer.send([largest])
        let allowed = try #require(try awaitMessage(link.router))
        #expect(allowed[1] == largest)

        _ = try link.dealer.send([largest + [1]])
        let wakeUp = WakeUp()
        var next: [[UInt8]]?
        for _ in 0..<200 where next == nil {
            // Lost while the connection is down, so it is said until it is heard.
            _ = try link.dealer.send([[2]])
            poll([link.router], wakeUp, timeoutMilliseconds: 50)
            next = try link.router.receive()
        }

        #expect(next?[1] == [2])
        #expect(next?[0] != allowed[0])
    }

    @Test func theChosenPortIsTold() throws {
        let link = try Link()

        let parts = link.endpoint.split(separator: ":")
        #expect(parts.count == 3 && parts[0] == "tcp" && parts[1] == "//127.0.0.1")
        #expect(UInt16(parts[2]) ?? 0 > 0)
    }

    @Test func anAddressInUseIsRecognised() throws {
        let link = try Link()
        let second = try Socket(.router, link.context, messageBytesMax: 100)

        let error = #expect(throws: ZeroMQError.self) { try second.bind(link.endpoint) }

        #expect(error?.isAddressInUse == true)
        #expect(error?.description == "listen on \(link.endpoint): Address already in use")
    }

    @Test func anEndpointThatIsNoneIsNamed() throws {
        let socket = try Socket(
            .dealer(identity: [1]), MessagingContext(), messageBytesMax: 100)

        let error = #expect(throws: ZeroMQError.self) { try socket.connect("nonsense") }

        #expect(error?.isAddressInUse == false)
        #expect(error?.operation == "connect to")
        #expect(error?.endpoint == "nonsense")
    }

    @Test func aMessageForAStrangerWouldBlock() throws {
        let link = try Link()

        #expect(try link.router.send([[9, 9, 9], [1]]) == .wouldBlock)
    }

    @Test func aMessageForNobodyWouldBlock() throws {
        let socket = try Socket(
            .dealer(identity: [1]), MessagingContext(), messageBytesMax: 100)

        #expect(try socket.send([[1], [2]]) == .wouldBlock)
    }

    @Test func thereMayBeNothingToReceive() throws {
        let link = try Link()

        #expect(try link.router.receive() == nil)
    }

    @Test func anIdentityInUseCannotBeTakenOver() throws {
        let link = try Link()
        _ = try link.dealer.send([[1]])
        _ = try awaitMessage(link.router)
        let claimant = try Socket(
            .dealer(identity: Link.identity), link.context, messageBytesMax: 100)
        try claimant.connect(link.endpoint)
        _ = try claimant.send([[2]])

        _ = try link.router.send([Link.identity, [3]])

        #expect(try awaitMessage(link.dealer) == [[3]])
        #expect(try claimant.receive() == nil)
        _ = try link.dealer.send([[4]])
        #expect(try awaitMessage(link.router) == [Link.identity, [4]])
    }

    /// What nobody took is dropped half a second after the socket, and the context ends then.
    @Test func aPeerThatIsGoneDoesNotHangTheEnd() throws {
        let clock = ContinuousClock()
        let elapsed = try clock.measure {
            let context = MessagingContext()
            let socket = try Socket(.dealer(identity: [1]), context, messageBytesMax: 100)
            try socket.connect("tcp://127.0.0.1:1")
            #expect(try socket.send([[1]]) == .sent)
        }
        #expect(elapsed < .seconds(8))
    }
}
