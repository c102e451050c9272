// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Who is waited for, for what, and what happens when it takes too long.
extension CoordinatorCore {
    /// Shorter waits are part of every step.
    private static let noticedTicks: UInt64 = 10
    /// Without a commit for so long, or for three usual steps, the log explains what is the matter.
    private static let stallTicks: UInt64 = 15
    private static let longStepTicks: UInt64 = 5
    private static let momentTicks: UInt64 = 3

    /// All members stand still, as they were told.
    var isHeld: Bool { phase == .preparing && unreadyCount == 0 && mustHold }

    /// One sentence each, the most telling first.
    var waitingFor: [String] {
        if isHeld { return [holdReason] }
        switch phase {
        case .gathering:
            let entered = candidates.count(where: \.hasEntered)
            let expected = configuration.expectedWorkerCount
            return ["the cluster waits for workers: \(entered) of \(expected) are there"]
        case .preparing:
            return unreadyMembers
        case .running:
            return silences + lateSums + stragglers + latecomers + lastCheckpoint
        case .stopping(_, _, let untilTick):
            let left = seconds(untilTick > now ? untilTick - now : 0)
            return members.map {
                "the end of the run waits for \($0.member.name) to leave, \(left) at most"
            }
        case .finished:
            return []
        }
    }

    private var lastStep: Step { Step(configuration.welcome.stepCount) }

    private var lastCheckpoint: [String] {
        guard committed == lastStep, checkpoint < committed else { return [] }
        return ["the end of the run waits for the checkpoint of step \(committed)\(trouble)"]
    }

    /// What has kept the next checkpoint from being made.
    private var trouble: String { fetchFailures.text.map { "; \($0)" } ?? "" }

    private var holdReason: String {
        if let heldStep, heldStep > checkpoint {
            return "the checkpoint of step \(heldStep) is being made\(trouble)"
        }
        return isPaused ? "paused: `accord resume` goes on" : "the workers leave"
    }

    private var unreadyMembers: [String] {
        guard unreadyCount > 0 else {
            let limit = seconds(Self.reportTicksMax)
            return reportsMissing.map {
                "generation \(generation) waits for \($0.member.name) to report step "
                    + "\(committed.next); is evicted after \(limit)"
            }
        }
        return members.filter { $0.progress == nil }.map { state in
            let limit = seconds(state.liveness.silenceMax)
            return "generation \(generation) waits for \(state.member.name) to get ready, "
                + "which \(state.activity); is evicted if silent for \(limit)"
        }
    }

    private var silences: [String] {
        members.filter { $0.liveness.silence(at: now) > Self.noticedTicks }.map { state in
            "\(state.member.name) has been silent for "
                + "\(seconds(state.liveness.silence(at: now))); is evicted after "
                + "\(seconds(state.liveness.silenceMax)) unless a peer hears it"
        }
    }

    /// Sums that have been on their way for longer than is noticed, and than any of late.
    private var lateSums: [String] {
        guard let exchange,
            now - exchange.sinceTick > max(Self.noticedTicks, patience.ticks / 8)
        else { return [] }
        return ["\(explanation(of: exchange)); starts again after \(patience.ticks / 10) s"]
    }

    /// Whom the others have been waiting for, or who takes much longer than steps do, once that is
    /// noticeable.
    private var stragglers: [String] {
        let waits = members.compactMap { state in state.exchanging.map { now - $0.sinceTick } }
        let isLong = waits.contains { $0 > Self.noticedTicks }
        let hindmost = hindmost
        // Reports of steps that have been applied may be on their way.
        let isStall = pace.isStall(at: now) && hindmost.first?.applied == committed
        guard isLong || isStall, hindmost.first?.applied != lastStep else { return [] }
        let late = hindmost.filter { $0.exchanging == nil }
        let step = (hindmost.first?.applied ?? committed).next
        return late.map { "step \(step) waits for \($0.member.name), which \($0.activity)" }
    }

    /// Who has to be brought up to date before the step after the base can be exchanged.
    private var latecomers: [String] {
        guard let plan, plan.base > .initial else { return [] }
        return members.filter { $0.applied < plan.base }.map {
            "step \(plan.base.next) waits for \($0.member.name), which \($0.activity)"
        }
    }

    private func seconds(_ ticks: UInt64) -> String { "\(ticks / 10).\(ticks % 10) s" }

    // MARK: - Stalls

    /// The pace of the commits, and whether a stall has been explained.
    struct Pace: Sendable {
        var lastCommitTick: UInt64 = 0
        /// Between commits, in sixteenths of a tick.
        private(set) var meanSixteenths: UInt64 = 0
        /// Commits per tick, in sixteenths.
        private var rateSixteenths: UInt64 = 0
        private var commitsInTick: UInt64 = 0
        var isExplained = false

        mutating func noteCommit(at tick: UInt64) {
            meanSixteenths = (meanSixteenths * 7 + (tick - lastCommitTick) * 16) / 8
            lastCommitTick = tick
            commitsInTick += 1
            isExplained = false
        }

        /// Longer than a message takes by far.
        var hasLongSteps: Bool { meanSixteenths > 16 * CoordinatorCore.longStepTicks }

        /// How many steps pass between two heartbeats, and a little more.
        var stepsInAMoment: UInt64 { CoordinatorCore.momentTicks * rateSixteenths / 16 }

        mutating func noteTick() {
            rateSixteenths = (rateSixteenths * 7 + commitsInTick * 16) / 8
            commitsInTick = 0
        }

        func isStall(at tick: UInt64) -> Bool {
            tick - lastCommitTick > max(CoordinatorCore.stallTicks, 3 * meanSixteenths / 16)
        }
    }

    /// Once for each stall, for whoever reads the log later.
    mutating func explainStall() {
        guard !pace.isExplained, pace.isStall(at: now), let sentence = waitingFor.first else {
            return
        }
        pace.isExplained = true
        directives.append(.note("waits: \(sentence)"))
    }
}
