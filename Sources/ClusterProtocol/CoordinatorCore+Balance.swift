// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Stragglers lose lanes to faster workers; the result does not change.
extension CoordinatorCore {
    private static let looksEveryTicks: UInt64 = 20
    /// A better plan must be found so many times in a row.
    private static let looksMin = 3
    /// ... and must save a tenth of a step, for each change costs an exchange that is begun again.
    private static let gainPercentMin: UInt64 = 10

    /// By rank. Whose speed is not known yet counts as an average worker.
    var laneSpeeds: [LaneSpeed] {
        let known = members.map(\.laneMicroseconds).filter { $0 > 0 }
        let average = known.isEmpty ? 1 : known.reduce(0, +) / UInt64(known.count)
        return members.map {
            LaneSpeed(
                threadCount: $0.member.threadCount,
                laneMicroseconds: $0.laneMicroseconds > 0 ? $0.laneMicroseconds : max(1, average))
        }
    }

    func steadyLanes(_ speeds: [LaneSpeed]) -> [[Int]] {
        LanePlan.assign(
            laneCount: configuration.welcome.laneCount,
            held: [[Int]](repeating: [], count: members.count), speeds: speeds)
    }

    /// Of those who compute; a spare may never have.
    private func speedsAreKnown(_ plan: StepPlan) -> Bool {
        zip(members, plan.steadyLanes).allSatisfy { $0.laneMicroseconds > 0 || $1.isEmpty }
    }

    mutating func rebalanceIfWorthwhile() {
        guard phase == .running, let plan, members.count > 1,
            (now - generationTick).isMultiple(of: Self.looksEveryTicks),
            members.allSatisfy({ $0.applied > plan.base }), speedsAreKnown(plan)
        else { return }
        let speeds = laneSpeeds
        let present = LanePlan.microseconds(of: plan.steadyLanes, speeds: speeds)
        let best = LanePlan.microseconds(of: steadyLanes(speeds), speeds: speeds)
        guard best * 100 <= present * (100 - Self.gainPercentMin) else {
            betterPlanCount = 0
            return
        }
        betterPlanCount += 1
        guard betterPlanCount >= Self.looksMin else { return }
        startGeneration(
            "lanes go to faster workers: \(best / 1000) ms a step instead of \(present / 1000)")
    }
}
