// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Who owns which lanes. Pure, and never relevant for the result.
package enum LanePlan {
    /// Spreads lanes over ranks by their thread counts; every lane once, ascending per rank.
    ///
    /// - Parameter held: lanes that ranks keep because they have computed them already.
    /// - Parameter threadCounts: weights; a rank with 0 gets no lane besides those it holds.
    package static func assign(
        laneCount: Int, held: [[Int]], threadCounts: [Int]
    ) -> [[Int]] {
        precondition(
            held.count == threadCounts.count && threadCounts.contains { $0 > 0 },
            "\(held.count) ranks, thread counts \(threadCounts)")
        var owners = [Int?](repeating: nil, count: laneCount)
        for (rank, lanes) in held.enumerated() {
            // Two holders of a lane cannot be; if it happened the first would keep it.
            for lane in lanes where (0..<laneCount).contains(lane) && owners[lane] == nil {
                owners[lane] = rank
            }
        }
        var loads = threadCounts.indices.map { rank in owners.count { $0 == rank } }
        for lane in 0..<laneCount where owners[lane] == nil {
            let rank = leastLoaded(loads, threadCounts)
            owners[lane] = rank
            loads[rank] += 1
        }
        return threadCounts.indices.map { rank in
            owners.indices.filter { owners[$0] == rank }
        }
    }

    /// The rank whose time for its lanes would grow least: (load + 1) / threads, without division.
    private static func leastLoaded(_ loads: [Int], _ threadCounts: [Int]) -> Int {
        var best: Int?
        for rank in loads.indices where threadCounts[rank] > 0 {
            guard let current = best else {
                best = rank
                continue
            }
            let candidate = (loads[rank] + 1) * threadCounts[current]
            if candidate < (loads[current] + 1) * threadCounts[rank] { best = rank }
        }
        return best ?? 0
    }
}
