// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

extension VirtualCluster {
    func tell(_ event: CoordinatorCore.Event) {
        guard let process = coordinator else { return }
        if case .received(.stepApplied(let report), let worker) = event {
            checkers.fencing.onReport(report, worker)
        }
        var directives = process.core.handle(event)
        if defect == .announcesBeforePersisting {
            directives.sort { !$0.isPersist && $1.isPersist }
        }
        for directive in directives {
            guard process.isAlive, violation == nil, !crashes(process, before: directive) else {
                return
            }
            obey(directive, process)
        }
    }

    private func obey(
        _ directive: CoordinatorCore.Directive, _ process: VirtualCoordinator
    ) {
        switch directive {
        case .persist(let record):
            persist(record, process)
        case .send(let worker, let message):
            check(checkers.announcements.onSend(message, log))
            deliver(message, to: worker)
        case .broadcast(let workers, let message):
            check(checkers.announcements.onSend(message, log))
            for worker in workers { deliver(message, to: worker) }
        case .fetchSnapshot(let step, let hash, let endpoint):
            trace.note(now, process.name, "fetches checkpoint \(step) from \(endpoint)")
            fetchCheckpoint(step, hash, endpoint)
        case .note(let text):
            trace.note(now, process.name, text)
        case .finish(let reason, let text):
            trace.note(now, process.name, "ends (\(reason)): \(text)")
            finish(reason, text, process)
        }
    }

    private func finish(_ reason: ExitReason, _ text: String, _ process: VirtualCoordinator) {
        switch reason {
        case .success:
            outcome = (reason, text)
            process.die()
            coordinator = nil
        case .storageFailed, .clusterUnreachable:
            // Whoever runs it makes room, or opens the network, and starts it again.
            killCoordinator(text)
        case .dataInvalid where !task.configuration.unreadableBySome.isEmpty:
            // A clip that was consumed is missed when its step is repeated: it is restored.
            areClipsRestored = true
            killCoordinator(text)
        default:
            outcome = (reason, text)
            fail("the coordinator ended (\(reason)): \(text)")
        }
    }

    /// From now on one worker that leaves out the same clips is who must be equalled.
    private func followMasks() {
        let masks = masked.intersection(task.configuration.unreadableBySome)
        guard !masks.isEmpty else { return }
        reference = OneWorkerRun.of(task.configuration.leavingOut(masks))
        checkers.agreement.follow(reference)
    }

    /// A crash that was planned for the midst of a list of directives.
    private func crashes(
        _ process: VirtualCoordinator, before directive: CoordinatorCore.Directive
    ) -> Bool {
        guard let crash = process.plannedCrash, crash.moment == .betweenDirectives else {
            return false
        }
        guard crash.remaining == 0 else {
            process.plannedCrash?.remaining -= 1
            return false
        }
        counts.faults[.coordinatorCrashBetweenDirectives] += 1
        killCoordinator("between two directives")
        return true
    }

    /// Durable when it returns, unless the disk is full or the process dies.
    private func persist(
        _ record: LogRecord, _ process: VirtualCoordinator
    ) {
        if now < disk.fullUntil {
            counts.faults[.diskFull] += 1
            return killCoordinator("the disk is full")
        }
        let crash = takeRecordCrash(process)
        switch crash {
        case .recordLost:
            counts.faults[.recordLost] += 1
            return killCoordinator("while writing a record, which is lost")
        case .recordTorn:
            // A write-ahead log drops what its checksums do not cover: as if it were lost.
            counts.faults[.recordTorn] += 1
            return killCoordinator("while writing a record, which is torn")
        default: break
        }
        write(record)
        if defect == .commitsTwice, case .committed = record { write(record) }
        if crash == .recordDurable {
            counts.faults[.coordinatorCrashAfterRecord] += 1
            killCoordinator("with a record that nobody has heard of")
        }
    }

    private func takeRecordCrash(
        _ process: VirtualCoordinator
    ) -> VirtualCoordinator.PlannedCrash.Moment? {
        guard let crash = process.plannedCrash, crash.moment != .betweenDirectives else {
            return nil
        }
        guard crash.remaining == 0 else {
            process.plannedCrash?.remaining -= 1
            return nil
        }
        return crash.moment
    }

    private func write(_ record: LogRecord) {
        check(checkers.onRecord(record, log))
        disk.append(record)
        log.apply(record)
        switch record {
        case .committed(let report):
            committed.append(report)
            trace.note(now, "coordinator", "has committed step \(report.step)")
        case .masked(let clip, _):
            masked.insert(clip)
            counts.faults[.clipUnreadable] += 1
            trace.note(
                now, "coordinator", "leaves clip \(clip.clipIndex) out of step \(clip.step)")
            followMasks()
        case .event(let text):
            events.append(text)
        case .plan(let plan):
            trace.note(
                now, "coordinator",
                "plans generation \(plan.generation) after step \(plan.base)")
        case .paused(let isPaused):
            trace.note(now, "coordinator", isPaused ? "pauses the run" : "resumes the run")
        case .generation, .checkpoint, .numericClass:
            break
        }
    }
}

extension CoordinatorCore.Directive {
    fileprivate var isPersist: Bool {
        if case .persist = self { true } else { false }
    }
}
