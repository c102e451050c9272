// SPDX-License-Identifier: Apache-2.0
import Primitives

extension WorkerCore {
    /// An exchange that takes longer is inspected now and then.
    private static let longExchangeTicks: UInt64 = 8
    private static let inspectionTicks: UInt64 = 4

    mutating func onTick() {
        inspectLongExchange()
        forgetProbed()
        switch phase {
        case .joining:
            if Self.isRetryTick(now) { sendJoin() }
        case .settingUp, .following, .preparing, .stepping:
            sendHeartbeat()
        case .entering:
            sendHeartbeat()
            if now.isMultiple(of: 10), let entry {
                send(entry)
                // Whatever is offered from now on may be another offer of the same step.
                lostSource = nil
            }
        case .ended:
            return
        }
        retryFailedCatchUp()
        leaveIfNobodyReleases()
        if now.isMultiple(of: 10) { repeatUnanswered() }
        giveUpIfTheCoordinatorIsNeededAndSilent()
    }

    /// At ticks 1, 2, 4, 8, 16, 32 and then every 32: back-off up to 3.2 seconds.
    private static func isRetryTick(_ tick: UInt64) -> Bool {
        tick <= 32 ? tick & (tick - 1) == 0 : tick.isMultiple(of: 32)
    }

    mutating func sendJoin() {
        send(
            .join(
                protocolVersion: WorkerMessage.protocolVersion, configuration.member,
                numericClass: configuration.numericClass))
    }

    /// What the worker is still hashing it has not applied for the coordinator, which releases and
    /// stops workers by this: the report would not come any more.
    private mutating func sendHeartbeat() {
        let told = unhashed == nil ? applied : Step(applied.number - 1)
        send(
            .heartbeat(
                Heartbeat(
                    generation: generation, applied: hasState ? told : nil,
                    isExchanging: isExchanging && unhashed == nil, lack: lack, activity: activity,
                    exchangeTimes: exchangeTimes, laneMicroseconds: laneMicroseconds)))
    }

    private mutating func inspectLongExchange() {
        guard isExchanging, phase == .stepping else { return }
        let ticks = now - exchangingSinceTick
        guard ticks >= Self.longExchangeTicks, ticks.isMultiple(of: Self.inspectionTicks) else {
            return
        }
        directives.append(.inspectExchange(generation, step: applied.next, attempt: attempt))
    }

    /// What was said once may be lost with a connection or with a coordinator.
    private mutating func repeatUnanswered() {
        if isReadyToAnswer() {
            sendReadyIfIdle()
        } else {
            send(unacknowledged.again())
        }
        for (clip, reason) in unreadable.sorted(by: { $0.key < $1.key }) {
            send(.clipUnreadable(clip, reason: reason))
        }
        if let retained {
            send(.snapshotReady(step: retained.step, stateHash: retained.stateHash))
        }
        if let kept = offer.snapshot, kept.step != retained?.step {
            send(.snapshotReady(step: kept.step, stateHash: kept.stateHash))
        }
        if let retirement { send(.retire(reason: retirement.reason)) }
    }

    /// An absence is counted from the moment in which it begins to matter: a coordinator that comes
    /// back soon after must find its workers.
    private mutating func giveUpIfTheCoordinatorIsNeededAndSilent() {
        needsCoordinatorSinceTick = needsCoordinator ? needsCoordinatorSinceTick ?? now : nil
        // Exchanges follow each other without a tick between them.
        let exchangeTick = isExchanging ? exchangingSinceTick : nil
        guard let neededTick = needsCoordinatorSinceTick ?? exchangeTick else { return }
        let limit = configuration.coordinatorSilenceTicksMax
        guard now - max(lastHeardTick, neededTick) > limit else { return }
        endWithoutCoordinator()
    }

    private mutating func endWithoutCoordinator() {
        let endpoint = configuration.coordinatorEndpoint
        let silence =
            "no answer from the coordinator at \(endpoint) for "
            + "\(configuration.coordinatorSilenceTicksMax / 10) seconds"
        guard isComplete, unacknowledged.isEmpty, unhashed == nil else {
            end(
                .clusterUnreachable,
                "\(silence); check the address, that the coordinator runs, and firewalls")
            return
        }
        guard checkpoint == applied else {
            end(
                .clusterUnreachable,
                "all steps are done, but the checkpoint of step \(applied), the last, may be "
                    + "missing: \(silence). Start the coordinator again, then this worker: what "
                    + "is missing is computed again")
            return
        }
        end(.success, "all steps are done and the coordinator at \(endpoint) is gone")
    }

    /// Steps go on without it, but nobody else admits workers, plans generations, masks clips or
    /// confirms the end.
    private var needsCoordinator: Bool {
        switch phase {
        case .joining, .entering, .following, .preparing: true
        case .settingUp, .ended: false
        case .stepping: isComplete || !unreadable.isEmpty || failedCatchUp != nil
        }
    }

    private var isComplete: Bool {
        guard let welcome, phase == .stepping else { return false }
        return applied.number == welcome.stepCount
    }

    /// The sentence for `accord status`.
    private var activity: String {
        // What is read ahead meanwhile holds nobody up.
        guard let longWait, !isExchanging else { return work }
        return "\(work) and has been \(longWait)"
    }

    private var work: String {
        switch phase {
        case .joining: return "joins"
        case .settingUp: return "opens the data set"
        case .entering: return "waits to become a member"
        case .following: return followingActivity
        case .preparing: return "waits for the plan of generation \(generation)"
        case .ended: return "ended"
        case .stepping: break
        }
        if let clip = unreadable.keys.min() {
            return "waits for leave to leave out clip \(clip.clipIndex) of step \(clip.step)"
        }
        switch busy {
        case .applying: return "applies step \(applied.next)"
        case .catchingUp: return "catches up with step \(plan?.base ?? applied)"
        case .no: break
        }
        if let failedCatchUp { return "tries again to catch up: \(failedCatchUp)" }
        if isExchanging { return "exchanges the sums of step \(applied.next)" }
        return running.isEmpty
            ? "is idle after step \(applied)"
            : "computes \(running.count) lanes of step \(applied.next)"
    }
}
