// SPDX-License-Identifier: Apache-2.0
import Messaging

/// A router and a dealer that talk over this machine's own network, in one thread.
struct Link {
    static let identity = Array("worker".utf8)

    let context = MessagingContext()
    let router: Socket
    let dealer: Socket
    let endpoint: String

    init(
        identity: [UInt8] = Self.identity, messageBytesMax: Int = 1 << 25,
        watches: Bool = false
    ) throws {
        router = try Socket(.router, context, messageBytesMax: messageBytesMax)
        if watches { try router.watchConnections() }
        endpoint = try router.bind("tcp://127.0.0.1:0")
        dealer = try Socket(
            .dealer(identity: identity), context, messageBytesMax: messageBytesMax)
        try dealer.connect(endpoint)
    }
}

/// The next message; nil when none comes within ten seconds.
func awaitMessage(_ socket: Socket) throws -> [[UInt8]]? {
    let wakeUp = WakeUp()
    for _ in 0..<100 {
        if let frames = try socket.receive() { return frames }
        poll([socket], wakeUp, timeoutMilliseconds: 100)
    }
    return nil
}
