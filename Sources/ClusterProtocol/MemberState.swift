// SPDX-License-Identifier: Apache-2.0
import Primitives

/// What the coordinator knows of a member.
struct MemberState: WorkerEntry, Sendable {
    /// It wants to go, since when and from which step on.
    struct Retirement: Equatable, Sendable {
        let sinceTick: UInt64
        let applied: Step
        let reason: String
    }

    struct Exchanging: Equatable, Sendable {
        var sinceTick: UInt64
        /// What it waits for, once that takes long.
        var lack: ExchangeLack?
    }

    /// The longest pause between a worker's attempts to connect.
    private static let reconnectionTicks: UInt64 = 10

    /// An hour.
    private static let laneMicrosecondsMax: UInt64 = 3_600_000_000

    let member: Member
    var liveness: Liveness
    var applied = Step.initial
    var progress: WorkerProgress?
    /// Nil while it does not wait for the sums of others.
    var exchanging: Exchanging?
    var activity = "joined"
    var exchangeTimes = ExchangeTimes()
    /// 0 = not known yet.
    var laneMicroseconds: UInt64 = 0
    /// The state that it is asked to keep for others.
    var offered: Step?
    var retirement: Retirement?

    var worker: WorkerID { member.worker }

    init(member: Member, tick: UInt64) {
        self.member = member
        liveness = Liveness(at: tick)
    }

    /// One of an earlier life of the coordinator, which it has yet to find again.
    init(restored member: Member) {
        self.member = member
        liveness = Liveness(at: 0, longestGap: Self.reconnectionTicks)
    }

    mutating func noteApplied(_ step: Step) {
        // A report that is repeated ends no exchange.
        guard step > applied else { return }
        applied = step
        exchanging = nil
    }

    mutating func note(_ heartbeat: Heartbeat, generation: Generation, at now: UInt64) {
        if let step = heartbeat.applied { noteApplied(step) }
        activity = heartbeat.activity
        exchangeTimes = heartbeat.exchangeTimes
        // Whatever a worker says, sums of such times stay numbers.
        laneMicroseconds = min(heartbeat.laneMicroseconds, Self.laneMicrosecondsMax)
        // One that was overtaken by a report tells of an exchange that has ended.
        let isCurrent =
            heartbeat.isExchanging && heartbeat.generation == generation
            && heartbeat.applied == applied
        exchanging =
            isCurrent
            ? Exchanging(sinceTick: exchanging?.sinceTick ?? now, lack: heartbeat.lack) : nil
    }
}

/// A worker that is not a member yet.
struct Candidate: WorkerEntry, Sendable {
    var member: Member
    var liveness: Liveness
    let numericClass: String
    /// Its data set and model are ready.
    var hasEntered = false
    /// The last step whose state it has, while it follows the members.
    var applied: Step?
    /// What it was told to follow, and when that was.
    var follows: (step: Step, sinceTick: UInt64)?
    var activity = "joins"

    var worker: WorkerID { member.worker }
}

// MARK: -

extension Member {
    /// For people.
    var name: String { "worker \(worker) on \(hostName) (process \(processIdentifier))" }
}
