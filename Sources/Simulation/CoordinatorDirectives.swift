// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

extension VirtualCluster {
    func tell(_ event: CoordinatorCore.Event) {
        guard let directives = coordinator?.handle(event) else { return }
        for directive in directives {
            switch directive {
            case .persist(let record): persist(record)
            case .send(let worker, let message): deliver(message, to: worker)
            case .broadcast(let workers, let message):
                for worker in workers { deliver(message, to: worker) }
            case .fetchSnapshot(let step, let hash, let endpoint):
                publish(step, hash, endpoint)
            case .note: break
            case .finish(let reason, let text):
                outcome = (reason, text)
                coordinator = nil
            }
        }
    }

    /// Durable at once; the log must stay one that a history can have.
    func persist(_ record: LogRecord) {
        switch record {
        case .generation(let generation, _):
            if generation <= log.generation { fail("generation \(generation) twice") }
        case .plan(let plan):
            if plan.base > log.committed { fail("plan from \(plan.base) before its commit") }
        case .committed(let report):
            if report.step != log.committed.next { fail("commit of \(report.step)") }
            committed.append(report)
        case .masked(let clip, _):
            masked.insert(clip)
        case .checkpoint:
            break
        case .numericClass:
            if log.numericClass != nil { fail("the numeric class twice") }
        case .paused:
            break
        case .event(let text):
            events.append(text)
        }
        log.apply(record)
    }
}
