// SPDX-License-Identifier: Apache-2.0
import Messaging
import Primitives
import Testing

@testable import ClusterRuntime

@Suite struct TransferServerTests {
    private static let state = TransferResource(.state, Step(4))
    private let server = TransferServer { $0 == state ? [1, 2, 3, 4, 5] : nil }
    private let context = MessagingContext()
    private let router: Socket
    private let dealer: Socket

    init() throws {
        router = try Socket(.router, context, messageBytesMax: 1000)
        dealer = try Socket(.dealer(identity: [7]), context, messageBytesMax: 1000)
        try dealer.connect(try router.bind("tcp://127.0.0.1:0"))
    }

    private func arrival(_ socket: Socket) throws -> [[UInt8]]? {
        let wakeUp = WakeUp()
        for _ in 0..<100 {
            if let frames = try socket.receive() { return frames }
            poll([socket], wakeUp, timeoutMilliseconds: 100)
        }
        return nil
    }

    @Test(arguments: [(state, true), (TransferResource(.reduced, Step(4)), false)])
    func theAskerGetsWhatThereIs(_ resource: TransferResource, isThere: Bool) throws {
        let request = TransferRequest(resource: resource, offset: 1, count: 3)
        _ = try dealer.send([request.encode()])
        let frames = try #require(try arrival(router))

        #expect(server.answer(frames, through: router))

        let size: [UInt8] = isThere ? [5, 0, 0, 0, 0, 0, 0, 0] : .init(repeating: 255, count: 8)
        let answer = try #require(try arrival(dealer))
        let offset: [UInt8] = [1, 0, 0, 0, 0, 0, 0, 0]
        #expect(Array(answer[0].prefix(16)) == offset + size)
        #expect(answer[1] == (isThere ? [2, 3, 4] : []))
    }

    @Test func anAskerThatIsGoneIsNoFailure() {
        let request = TransferRequest(resource: Self.state, offset: 0, count: 5)
        #expect(server.answer([[1, 2, 3], request.encode()], through: router))
    }

    @Test(
        arguments: [
            [], [[7]], [[7], []], [[7], [2, 1]], [[7], [1]],
            [[7], TransferRequest(resource: state, offset: 0, count: 1).encode(), []],
        ] as [[[UInt8]]])
    func framesThatAreNoRequestAreLeftToOthers(_ frames: [[UInt8]]) {
        #expect(!server.answer(frames, through: router))
    }
}
