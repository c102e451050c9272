// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Whose connections are taken. Isolation: any thread.
package final class AllowList: Sendable {
    /// What happens to a key that is not on the list.
    package enum Rule: Sendable {
        /// The list is complete: it is told that it is refused, and does not come again.
        case refuse
        /// The list grows as members are announced, and a peer may have heard of its membership
        /// first: it waits a moment for its key, and tries again later.
        case wait
    }

    let rule: Rule
    private let permanent: Set<PublicKey>
    private let announced = Mutex<(members: Set<PublicKey>, guests: Set<PublicKey>)>(([], []))
    /// Looks again at those that wait.
    let wakeUp = WakeUp()

    /// - Parameter permanent: those that are always allowed.
    package init(_ permanent: Set<PublicKey>, _ rule: Rule) {
        self.permanent = permanent
        self.rule = rule
    }

    /// Allows these besides, and those of the last call no more. Connections that are there already
    /// stay.
    package func announce(_ keys: Set<PublicKey>) {
        announced.withLock { $0.members = keys }
        wakeUp.signal()
    }

    /// The same for those who are not members yet.
    package func announceGuests(_ keys: Set<PublicKey>) {
        announced.withLock { $0.guests = keys }
        wakeUp.signal()
    }

    func allows(_ key: PublicKey) -> Bool {
        permanent.contains(key)
            || announced.withLock { $0.members.contains(key) || $0.guests.contains(key) }
    }
}

/// What the sockets of a context need to speak with nobody but those they know.
package struct Encryption: Sendable {
    package let own: KeyPair
    package let allowed: AllowList

    package init(own: KeyPair, allowed: AllowList) {
        self.own = own
        self.allowed = allowed
    }
}
