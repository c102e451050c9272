// SPDX-License-Identifier: Apache-2.0
import Primitives

extension WorkerCore {
    /// Computes what is missing of the own lanes of step applied + 1.
    mutating func startStep() {
        guard let plan, let welcome, phase == .stepping, busy == .no else { return }
        guard applied.number < welcome.stepCount else { return }
        let step = applied.next
        let isInFlight = step == plan.base.next
        let plannedAttempt = isInFlight ? plan.attempt : 1
        if accumulatorStep != step || attempt != plannedAttempt {
            beginAttempt(
                plannedAttempt, scales: plannedAttempt == 2 ? plan.attemptScales : [])
        }
        computeMissingLanes()
    }

    private mutating func beginAttempt(_ attempt: Int, scales: [UInt8]) {
        self.attempt = attempt
        attemptScales = scales
        accumulatorStep = applied.next
        computed = []
        running = []
        directives.append(
            .resetAccumulator(step: applied.next, attempt: attempt, scales: scales))
    }

    private var ownLanes: [Int] { plan?.lanes(of: rank, at: applied.next) ?? [] }

    private mutating func computeMissingLanes() {
        let missing = ownLanes.filter { !computed.contains($0) && !running.contains($0) }
        if !missing.isEmpty {
            running.formUnion(missing)
            directives.append(
                .computeLanes(step: applied.next, attempt: attempt, lanes: missing))
        }
        exchangeIfComputed()
    }

    mutating func onLaneFinished(_ step: Step, _ attempt: Int, _ lane: Int) {
        guard step == accumulatorStep, attempt == self.attempt, running.remove(lane) != nil else {
            return
        }
        computed.insert(lane)
        exchangeIfComputed()
    }

    private mutating func exchangeIfComputed() {
        guard phase == .stepping, busy == .no, !isExchanging, plan != nil else { return }
        guard accumulatorStep == applied.next, ownLanes.allSatisfy(computed.contains) else {
            return
        }
        isExchanging = true
        exchangingSinceTick = now
        directives.append(.startExchange(generation, step: applied.next, attempt: attempt))
    }

    mutating func onExchangeFinished(_ outcome: ExchangeOutcome) {
        guard isExchanging, phase == .stepping else { return }
        isExchanging = false
        switch outcome {
        case .complete(let skipped):
            busy = .applying
            // Alone, they lie in the accumulator.
            isResultServable = (plan?.members.count ?? 0) > 1
            hasSkipped = skipped
            let step = applied.next
            directives.append(.apply(step, computesHash: isHashStep(step)))
        case .secondAttempt(let scales):
            beginAttempt(2, scales: scales)
            computeMissingLanes()
        case .impossible(let reason):
            end(.internalError, reason)
        }
    }

    mutating func onApplied(_ step: Step, _ payload: [UInt8]) {
        precondition(step == applied.next, "applied \(step) after \(applied)")
        precondition(unhashed == nil, "applied \(step) before the hash of \(applied)")
        let report = StepReport(
            generation: generation, step: step, skipped: hasSkipped, attempts: attempt,
            stateHash: [], payload: payload)
        applied = step
        keepsResult = isResultServable
        busy = .no
        forgetLanes()
        masked = masked.filter { $0.step > step }
        if isHashStep(step) {
            unhashed = report
        } else {
            send(unacknowledged.add(report))
        }
        keepOfferIfDue()
        guard phase == .stepping else {
            sendReadyIfIdle()
            return
        }
        retainSnapshotIfDue()
        startStep()
    }

    private func isHashStep(_ step: Step) -> Bool { welcome?.isHashStep(step) ?? true }

    mutating func onStateHashed(_ step: Step, _ stateHash: [UInt8]) {
        guard var report = unhashed, report.step == step else { return }
        unhashed = nil
        report.stateHash = stateHash
        send(unacknowledged.add(report))
        sendReadyIfIdle()
    }

    /// The lowest rank keeps the snapshot that becomes the checkpoint.
    mutating func retainSnapshotIfDue() {
        guard let welcome, rank == 0, hasState, welcome.isSnapshotStep(applied) else { return }
        directives.append(.retainSnapshot(applied))
    }

    mutating func onClipUnreadable(_ clip: MaskedClip, _ reason: String) {
        if masked.contains(clip) {
            directives.append(.maskClip(clip))
            return
        }
        guard clip.step != applied.next || attempt == 1 else {
            onClipLost(clip, reason)
            return
        }
        unreadable[clip] = reason
        send(.clipUnreadable(clip, reason: reason))
    }

    /// Whoever computed the lane in the first attempt could read the clip, and what it brought
    /// there decides the scales of the second: with the clip left out now the step would not be the
    /// one that follows from the log. Somebody else takes the lane.
    private mutating func onClipLost(_ clip: MaskedClip, _ reason: String) {
        let text =
            "the first attempt of step \(clip.step) consumed a clip that this worker cannot read: "
            + "\(reason); restore the file, then start the worker again"
        send(.leave(reason: text))
        end(.dataInvalid, text)
    }
}
