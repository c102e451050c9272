// SPDX-License-Identifier: Apache-2.0
import Datasets
import Synchronization

/// What the threads of a process wait for outside of it: files, peers. A wait that lasts is told
/// with the next heartbeat, so that a stall explains itself.
///
/// Isolation: any thread.
final class WaitRegister: ReadingWitness {
    private struct Wait {
        let activity: String
        let start: ContinuousClock.Instant
    }

    private struct State {
        var beginCount = 0
        var waits: [Int: Wait] = [:]
    }

    /// Shorter ones are part of every step.
    private static let noticedTime = Duration.seconds(1)

    private let state = Mutex(State())
    private let now: @Sendable () -> ContinuousClock.Instant

    init(now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }) { self.now = now }

    /// - Parameter activity: for people, such as "reading a.mp4".
    func during<Result, Failure>(
        _ activity: String, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let number = begin(activity)
        defer { end(number) }
        return try body()
    }

    private func begin(_ activity: String) -> Int {
        let wait = Wait(activity: activity, start: now())
        return state.withLock { state in
            state.beginCount += 1
            state.waits[state.beginCount] = wait
            return state.beginCount
        }
    }

    package func begin(reading path: String) -> Int { begin("reading \(path)") }

    package func end(_ number: Int) { state.withLock { $0.waits[number] = nil } }

    /// The wait that has lasted longest, once it takes noticeably long.
    var longest: String? {
        guard let wait = state.withLock({ $0.waits.values.min { $0.start < $1.start } }) else {
            return nil
        }
        let time = now() - wait.start
        guard time >= Self.noticedTime else { return nil }
        return "\(wait.activity) for \(time.components.seconds) s"
    }
}
