// SPDX-License-Identifier: Apache-2.0
import Messaging
import Primitives
import Testing
import Threads

/// A peer on a thread of its own that answers requests by a rule until it goes.
final class TransferPeer: Sendable {
    typealias Frames = [[UInt8]]
    /// From the bytes of a request to the answers.
    typealias Rule = @Sendable (_ request: [UInt8]) throws -> [Frames]

    let endpoint: String
    private let stop: Mailbox<Bool>
    private let thread: NamedThread

    init(_ rule: @escaping Rule) throws {
        let (bound, stop) = (Mailbox<String>(), Mailbox<Bool>())
        self.stop = stop
        thread = NamedThread("peer") {
            do {
                try Self.serve(rule, bound, stop)
            } catch {
                Issue.record(error)
            }
        }
        poll([], bound.wakeUp, timeoutMilliseconds: 10_000)
        endpoint = try #require(bound.drain().first)
    }

    /// Serves these bytes as the whole of any resource; nil = it has none.
    convenience init(having bytes: [UInt8]?) throws {
        try self.init { [try Self.answer($0, from: bytes)] }
    }

    static func answer(_ request: [UInt8], from bytes: [UInt8]?) throws -> Frames {
        let answer = try TransferRequest(decoding: request).answer(from: bytes)
        return [answer.header, answer.piece.copy()]
    }

    deinit {
        stop.post(true)
        thread.join()
    }

    private static func serve(
        _ rule: Rule, _ bound: Mailbox<String>, _ stop: Mailbox<Bool>
    ) throws {
        let router = try Socket(.router, MessagingContext(), messageBytesMax: 1 << 20)
        bound.post(try router.bind("tcp://127.0.0.1:0"))
        while stop.drain().isEmpty {
            poll([router], stop.wakeUp, timeoutMilliseconds: 60_000)
            while let frames = try router.receive() {
                for answer in try rule(frames[1]) { _ = try router.send([frames[0]] + answer) }
            }
        }
    }
}
