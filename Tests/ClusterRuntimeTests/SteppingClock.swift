// SPDX-License-Identifier: Apache-2.0
import Messaging
import Synchronization

/// A clock that a millisecond passes on whenever it is asked, and that can be put forward.
final class SteppingClock: Sendable {
    private let start = ContinuousClock.now
    private let state = Mutex((askedCount: 0, ahead: Duration.zero))

    func now() -> ContinuousClock.Instant {
        state.withLock { state in
            state.askedCount += 1
            return start + state.ahead + .milliseconds(state.askedCount)
        }
    }

    func putForward(_ duration: Duration) { state.withLock { $0.ahead += duration } }

    /// - Returns: false if that does not happen within a minute.
    func waitUntilAsked(_ count: Int) -> Bool {
        let end = ContinuousClock.now + .seconds(60)
        while state.withLock({ $0.askedCount }) < count {
            guard ContinuousClock.now < end else { return false }
            poll([], WakeUp(), timeoutMilliseconds: 5)
        }
        return true
    }
}
