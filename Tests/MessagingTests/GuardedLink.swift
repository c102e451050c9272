// SPDX-License-Identifier: Apache-2.0
import Messaging

/// A router that takes known keys only, and whoever tries to reach it.
///
/// Every peer has a context of its own, as processes have.
struct GuardedLink {
    let own = KeyPair.fresh()
    let known = KeyPair.fresh()
    let allowed: AllowList
    let router: Socket
    let endpoint: String

    init(_ rule: AllowList.Rule = .refuse, messageBytesMax: Int = 1 << 20) throws {
        allowed = AllowList([known.publicKey], rule)
        let context = try MessagingContext(Encryption(own: own, allowed: allowed))
        router = try Socket(.router, context, messageBytesMax: messageBytesMax)
        try router.watchConnections()
        endpoint = try router.bind("tcp://127.0.0.1:0")
    }

    /// - Parameter own: nil speaks in clear text.
    func dealer(_ own: KeyPair?, to server: PublicKey? = nil) throws -> Socket {
        let context = try MessagingContext(
            own.map { Encryption(own: $0, allowed: AllowList([], .refuse)) })
        let dealer = try Socket(.dealer(identity: []), context, messageBytesMax: 1 << 20)
        try dealer.watchConnections()
        try dealer.connect(endpoint, to: server ?? self.own.publicKey)
        return dealer
    }

    /// A message of the known peer comes through, and nothing else has come before it.
    func onlyTheKnownPeerIsHeard() throws -> Bool {
        let dealer = try dealer(known)
        _ = try dealer.send([[4, 2]])
        let message = try awaitMessage(router)
        return message?.dropFirst() == [[4, 2]]
    }

    /// Waits until so many connections were refused.
    func awaitRefused(_ count: UInt64, seconds: Int = 30) -> Bool {
        let (wakeUp, end) = (WakeUp(), ContinuousClock.now + .seconds(seconds))
        while ContinuousClock.now < end {
            if router.refusedHandshakeCount >= count { return true }
            poll([], wakeUp, timeoutMilliseconds: 20)
        }
        return false
    }
}
