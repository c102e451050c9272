// SPDX-License-Identifier: Apache-2.0
import Primitives

/// A decision that must be durable before anybody hears of it.
package enum LogRecord: Equatable, Sendable {
    case generation(Generation, members: [Member])
    case plan(StepPlan)
    case committed(StepReport)
    case masked(MaskedClip, reason: String)
    case checkpoint(step: Step, stateHash: [UInt8])
    /// What all workers of the run compute as; written once.
    case numericClass(String)
    /// By command: the cluster stands still until it is told to go on.
    case paused(Bool)
    /// Something worth reading later: evictions, joins, divergences.
    case event(String)
}

/// What the durable log tells a coordinator that starts again.
package struct CoordinatorLog: Equatable, Sendable {
    package var generation = Generation.none
    package var members: [Member] = []
    /// The plan of `generation`, if it had been announced.
    package var plan: StepPlan?
    package var committed = Step.initial
    /// State hashes of committed steps that were computed; re-executed steps must repeat them.
    package var stateHashes: [Step: [UInt8]] = [:]
    package var masked: Set<MaskedClip> = []
    /// Nil before the first worker became a member.
    package var numericClass: String?
    /// The newest published checkpoint.
    package var checkpoint = Step.initial
    /// The state of step 0 was given, and is a checkpoint as any other; otherwise it follows from
    /// the seed, and every worker has it.
    package var hasGivenState = false
    package var isPaused = false

    package init() {}

    /// What the log tells once this record is in it, too.
    package mutating func apply(_ record: LogRecord) {
        switch record {
        case .generation(let generation, let members):
            guard generation > self.generation else { return }
            self.generation = generation
            self.members = members
            plan = nil
        case .plan(let plan):
            guard plan.generation == generation, generation > .none else { return }
            self.plan = plan
        case .committed(let report):
            committed = max(committed, report.step)
            if !report.stateHash.isEmpty { stateHashes[report.step] = report.stateHash }
        case .masked(let clip, _):
            masked.insert(clip)
        case .checkpoint(let step, _):
            checkpoint = max(checkpoint, step)
        case .numericClass(let name):
            numericClass = name
        case .paused(let isPaused):
            self.isPaused = isPaused
        case .event:
            break
        }
    }
}
