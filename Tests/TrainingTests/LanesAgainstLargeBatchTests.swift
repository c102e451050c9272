// SPDX-License-Identifier: Apache-2.0
import Collectives
import Datasets
import Models
import Primitives
import Tensors
import Testing

@testable import Training

/// The mean over lanes is the gradient of one large batch, as far as rows do not meet.
///
/// Rows meet in the masked language term (its divisor is the lane's own) and as candidates of each
/// other; the first is switched off, and rows that claim to be the same clip leave each other out,
/// so that only the bank is contrasted.
@Suite struct LanesAgainstLargeBatchTests {
    private static let rows = [0, 1, 2, 3, 4, 7, 8, 6].map { clip in
        let row = TinyRun.row(clip)
        return ClipRow(clipIndex: 3, frames: row.frames, tokens: row.tokens)
    }

    private static func replica(laneCount: Int) -> Replica {
        var run = TinyRun(laneCount: laneCount, microbatchSize: rows.count / laneCount)
        run.configuration.objectives.maskedLanguageWeight = 0
        run.configuration.objectives.temperature = 0.2
        let replica = run.replica()
        replica.randomiseParameters(seed: 21)
        run.fillBanks(of: replica, count: 9)
        return replica
    }

    private static func microbatch(_ lane: Int, of laneCount: Int) -> Microbatch {
        let own = stride(from: lane, to: rows.count, by: laneCount).map { rows[$0] }
        return Microbatch(
            step: Step(1), lane: lane, rows: own, plannedRowCount: own.count,
            plannedRowCountOfStep: rows.count)
    }

    @Test(arguments: [2, 4, 8])
    func theMeanGradientIsThatOfOneBatchWithinTheQuantum(laneCount: Int) throws {
        let single = Self.replica(laneCount: 1)
        let gradient = single.computation().gradient(of: Self.microbatch(0, of: 1)).gradient

        let replica = Self.replica(laneCount: laneCount)
        let reduced = try TinyRun.withScales(replica) { key, scales in
            let accumulator = replica.makeAccumulator()
            accumulator.reset(for: key, scales: scales)
            for lane in 0..<laneCount {
                _ = replica.computeLane(
                    Self.microbatch(lane, of: laneCount), key: key, arena: Arena(),
                    accumulator: accumulator)
            }
            return accumulator
        }

        for (index, entry) in replica.model.layout.entries.enumerated() {
            let factor = replica.rule.meanFactor(remembered: reduced.scales[index])
            let mean = reduced.sums.elements[entry.range].map { Float($0) * factor }
            let exact = gradient.elements[entry.range].map(Double.init)
            let quantum = 1 / Double(replica.rule.inverseQuantum(remembered: reduced.scales[index]))
            // Half a quantum, and what single precision loses in sums of some hundred terms.
            let largest = exact.map(abs).max() ?? 0
            let tolerance = quantum / 2 + 1e-5 * largest + 1e-7
            for (offset, expected) in exact.enumerated() {
                let difference = abs(Double(mean[offset]) - expected)
                #expect(difference <= tolerance, "\(entry.name)[\(offset)]")
            }
        }
        #expect(gradient.elements.contains { abs($0) > 0.01 })
    }

    /// The same for the losses: their sums over lanes are those of the large batch.
    @Test func theLossesAddUp() {
        func losses(_ laneCount: Int) -> Double {
            let replica = Self.replica(laneCount: laneCount)
            return (0..<laneCount).reduce(0) { sum, lane in
                let report = replica.computation().gradient(
                    of: Self.microbatch(lane, of: laneCount)
                ).report
                return sum + report.directions[0].sum + report.directions[1].sum
            }
        }
        let expected = losses(1)
        #expect(expected > 1)
        #expect(abs(losses(4) - expected) <= 1e-5 * expected)
    }
}
