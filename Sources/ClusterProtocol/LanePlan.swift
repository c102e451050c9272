// SPDX-License-Identifier: Apache-2.0
import Primitives

/// How fast a worker computes lanes.
package struct LaneSpeed: Equatable, Sendable {
    /// Lanes at a time; 0 = gets no lane besides those that it holds.
    package var threadCount: Int
    /// What one lane takes on one thread.
    package var laneMicroseconds: UInt64

    package init(threadCount: Int, laneMicroseconds: UInt64 = 1) {
        self.threadCount = threadCount
        self.laneMicroseconds = laneMicroseconds
    }

    /// What so many lanes take.
    package func microseconds(forLanes count: Int) -> UInt64 {
        guard threadCount > 0 else { return count == 0 ? 0 : .max }
        return UInt64((count + threadCount - 1) / threadCount) * laneMicroseconds
    }
}

/// Who owns which lanes. Pure, and never relevant for the result.
package enum LanePlan {
    /// Spreads lanes over ranks so that all finish early; every lane once, ascending per rank.
    ///
    /// - Parameter held: lanes that ranks keep because they have computed them already.
    /// - Parameter speeds: by rank.
    package static func assign(
        laneCount: Int, held: [[Int]], speeds: [LaneSpeed]
    ) -> [[Int]] {
        precondition(
            held.count == speeds.count && speeds.contains { $0.threadCount > 0 },
            "\(held.count) ranks, speeds \(speeds)")
        var owners = [Int?](repeating: nil, count: laneCount)
        for (rank, lanes) in held.enumerated() {
            // Two holders of a lane cannot be; if it happened the first would keep it.
            for lane in lanes where (0..<laneCount).contains(lane) && owners[lane] == nil {
                owners[lane] = rank
            }
        }
        var loads = [Int](repeating: 0, count: speeds.count)
        for case let rank? in owners { loads[rank] += 1 }
        for lane in 0..<laneCount where owners[lane] == nil {
            let rank = firstToFinish(loads, speeds)
            owners[lane] = rank
            loads[rank] += 1
        }
        var lanes = [[Int]](repeating: [], count: speeds.count)
        for case (let lane, let rank?) in owners.enumerated() { lanes[rank].append(lane) }
        return lanes
    }

    /// What the slowest rank takes for its lanes.
    package static func microseconds(of lanes: [[Int]], speeds: [LaneSpeed]) -> UInt64 {
        zip(lanes, speeds).map { $1.microseconds(forLanes: $0.count) }.max() ?? 0
    }

    /// The rank that would be finished first with one more lane; of several the one with most
    /// threads to spare, compared as (load + 1) / threads without division.
    private static func firstToFinish(_ loads: [Int], _ speeds: [LaneSpeed]) -> Int {
        var best = 0
        var bestTime = UInt64.max
        for rank in loads.indices where speeds[rank].threadCount > 0 {
            let time = speeds[rank].microseconds(forLanes: loads[rank] + 1)
            let isBetter =
                time < bestTime
                || time == bestTime
                    && (loads[rank] + 1) * speeds[best].threadCount
                        < (loads[best] + 1) * speeds[rank].threadCount
            if isBetter { (best, bestTime) = (rank, time) }
        }
        return best
    }
}
