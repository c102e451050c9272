// SPDX-License-Identifier: Apache-2.0
import ClusterRuntime
import Collectives
import Datasets
import Models
import Primitives
import Tensors
import Training

/// One of the runs that `loss-curves` compares.
///
/// Isolation: one thread.
final class CurveRun {
    private enum Summation {
        case exact
        /// The lanes' gradients are added as f32, one lane after the other, as an all-reduce does
        /// that is no part of Accord.
        case float(lastLaneFirst: Bool)
    }

    let name: String
    private let summation: Summation
    private let replica: Replica
    private let accumulator: LaneAccumulator
    private let arena = Arena()
    private let gradient: FloatVector
    private let packed: UnsafeMutableRawBufferPointer
    /// Of all steps that were added exactly.
    private var packedBytes = 0
    private var packedElements = 0

    /// What a sum of all lanes takes when it travels packed; nil if it was never exact.
    var packedBitsPerSum: Double? {
        packedElements == 0 ? nil : 8 * Double(packedBytes) / Double(packedElements)
    }

    /// The first is what the others are compared with.
    static func all(of setup: RunSetup) throws -> [CurveRun] {
        let configuration = setup.configuration
        guard configuration.precision == .f32, configuration.lanes.resolutionBits == 0 else {
            throw ExitFailure(
                .configurationInvalid,
                "loss-curves sets precision and lanes.resolutionBits itself; leave them out")
        }
        func run(
            _ name: String, _ summation: Summation, _ change: (inout RunConfiguration) -> Void
        ) -> CurveRun {
            var changed = configuration
            change(&changed)
            return CurveRun(name, summation, Replica(changed, setup.surroundings))
        }
        return [
            run("f32", .float(lastLaneFirst: false)) { _ in },
            run("f32 reversed", .float(lastLaneFirst: true)) { _ in },
            run("exact r=\(configuration.exactSums.resolutionBits)", .exact) { _ in },
            run("exact r=18", .exact) { $0.lanes.resolutionBits = 18 },
            run("exact bf16", .exact) { $0.precision = .bf16 },
        ]
    }

    private init(_ name: String, _ summation: Summation, _ replica: Replica) {
        self.name = name
        self.summation = summation
        self.replica = replica
        accumulator = replica.makeAccumulator()
        gradient = FloatVector(count: replica.elementCount)
        packed = .allocate(
            byteCount: PackedSums.bytesMax(elementCount: replica.elementCount), alignment: 64)
    }

    deinit { packed.deallocate() }

    /// One step, of which all lanes are given in order. Returns its loss.
    func advance(_ microbatches: [Microbatch]) throws -> Double {
        switch summation {
        case .exact:
            let reduced = exactSums(of: microbatches)
            packedBytes += PackedSums.pack(reduced.sums.elements, into: packed)
            packedElements += reduced.sums.count
            return try replica.apply(reduced).loss
        case .float(let lastLaneFirst): return try applyFloatSum(of: microbatches, lastLaneFirst)
        }
    }

    private func exactSums(of microbatches: [Microbatch]) -> ReducedStep {
        var scales = replica.scales
        var attempt = 1
        while true {
            let key = AccumulationKey(step: replica.appliedStep.next, attempt: attempt)
            accumulator.reset(for: key, scales: scales)
            for microbatch in microbatches {
                _ = replica.computeLane(
                    microbatch, key: key, arena: arena, accumulator: accumulator)
            }
            let contribution = accumulator.contribution()
            let decision = replica.rule.decide(
                scales: scales, maxima: contribution.maxima, attempt: attempt)
            guard case .secondAttempt(let larger) = decision else {
                return ReducedStep(
                    key: key, scales: scales,
                    exchanged: .init(
                        sums: accumulator.sums, maxima: contribution.maxima,
                        reports: contribution.reports.map(\.report)))
            }
            (scales, attempt) = (larger, 2)
        }
    }

    private func applyFloatSum(
        of microbatches: [Microbatch], _ lastLaneFirst: Bool
    ) throws -> Double {
        gradient.zero()
        let entries = replica.model.layout.entries
        let sum = gradient
        var reports = [[UInt8]](repeating: [], count: microbatches.count)
        for microbatch in lastLaneFirst ? microbatches.reversed() : microbatches {
            reports[microbatch.lane] = replica.computeLane(microbatch, arena: arena) {
                parameter, gradient, elements in
                let start = entries[parameter.index].range.lowerBound + elements.lowerBound
                for place in 0..<elements.count {
                    sum.pointer[start + place] += gradient.data[place]
                }
            }
        }
        let share = 1 / Float(microbatches.count)
        for place in 0..<sum.count { sum.pointer[place] *= share }
        // Maxima of 0 say that no tensor had a gradient; the scales of this run are never read.
        let reduced = ReducedStep(
            key: AccumulationKey(step: replica.appliedStep.next, attempt: 1),
            scales: replica.scales,
            exchanged: .init(
                sums: accumulator.sums, maxima: replica.scales.map { _ in 0 }, reports: reports))
        return try replica.apply(reduced, meanGradient: sum).loss
    }
}
