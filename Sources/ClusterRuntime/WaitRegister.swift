// SPDX-License-Identifier: Apache-2.0
import Datasets
import Media
import Synchronization

/// What the threads of a process wait for outside of it: files, peers. A wait that lasts is told
/// with the next heartbeat, so that a stall explains itself.
///
/// Isolation: any thread.
final class WaitRegister: Sendable {
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
        let wait = Wait(activity: activity, start: now())
        let number = state.withLock { state in
            state.beginCount += 1
            state.waits[state.beginCount] = wait
            return state.beginCount
        }
        defer { state.withLock { $0.waits[number] = nil } }
        return try body()
    }

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

/// Frames of another decoding; what takes long is known by its path.
struct RegisteredDecoding: FrameDecoding {
    let base: any FrameDecoding
    let waits: WaitRegister

    func decode(
        path: String, _ specification: FrameSpecification
    ) throws(MediaFailure) -> [UInt8] {
        try waits.during("reading \(path)") { () throws(MediaFailure) in
            try base.decode(path: path, specification)
        }
    }
}
