// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Messaging
import Primitives
import Testing

@testable import ClusterRuntime

@Suite struct ExchangeNetworkTests {
    /// The sender as the peer sees it: a name that the peer's socket gives to each connection.
    private func sender(at peer: Socket) throws -> [UInt8]? {
        let end = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < end {
            if let frames = try peer.receive() { return frames.first }
            poll([peer], WakeUp(), timeoutMilliseconds: 100)
        }
        return nil
    }

    /// A connection that has failed without a word must not fail the next generation, too.
    @Test func everyGenerationHasNewConnections() throws {
        let context = MessagingContext()
        let peer = try Socket(.router, context, messageBytesMax: 1 << 20)
        let endpoint = try peer.bind("tcp://127.0.0.1:0")
        let network = try ExchangeNetwork(
            "127.0.0.1", context, DataPlaneWorld.shared(Mailbox()))
        let member = Member(
            worker: WorkerID(1), dataEndpoint: endpoint, threadCount: 1, hostName: "",
            processIdentifier: 0)
        let frame = ExchangeFrame(
            run: RunID(77),
            key: ExchangeKey(
                generation: Generation(1),
                accumulation: AccumulationKey(step: Step(1), attempt: 1)),
            part: .init(phase: .partial, sourceRank: 0, chunk: 0), payload: SharedBytes([1, 2]))

        network.connect([member])
        network.send(frame, to: [endpoint])
        let first = try #require(try sender(at: peer))
        network.connect([member])
        network.send(frame, to: [endpoint])
        let second = try #require(try sender(at: peer))

        #expect(first != second)
    }
}
