// SPDX-License-Identifier: Apache-2.0
import Collectives
import Dispatch
import Foundation
import Models
import Optimizers
import Primitives
import Synchronization
import Tensors
import Training

/// Runs whole steps and prints what they cost, beside the machine's own rate of products.
final class StepBenchmark {
    /// Seconds of the parts of a step.
    private struct Times {
        var lanes = 0.0
        var application = 0.0

        var step: Double { lanes + application }
    }

    private let work: PretrainingWork
    private let parameters: FloatVector
    private let keyParameters: FloatVector
    private let optimizer: AdamW
    private let rule: ExactSums
    private let accumulator: LaneAccumulator
    private let arenas: [Arena]
    private let rounded: (query: BFloatVector, key: BFloatVector)?
    private var scales: [UInt8]
    private var loss: Float = 0

    init(_ work: PretrainingWork) {
        self.work = work
        let layout = work.model.layout
        let count = layout.elementCount
        parameters = FloatVector(count: count)
        keyParameters = FloatVector(count: count)
        layout.initialize(parameters, seed: 1)
        keyParameters.copy(from: parameters)
        rule = ExactSums(laneCount: work.configuration.laneCount)
        accumulator = LaneAccumulator(
            rule: rule, tensors: layout.entries.map(\.range), elementCount: count)
        arenas = (0..<work.configuration.laneCount).map { _ in Arena() }
        scales = [UInt8](repeating: 0, count: layout.entries.count)
        rounded =
            work.configuration.precision == .bf16
            ? (BFloatVector(count: count), BFloatVector(count: count)) : nil
        optimizer = AdamW(
            .init(weightDecay: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8), elementCount: count,
            .init(
                keyEncoder: (keyParameters, 0.995), rounded: rounded?.query,
                roundedKeyEncoder: rounded?.key))
        roundParameters()
    }

    func run(stepCount: Int) {
        // The first steps find the scales and generate the kernels.
        for number in 1...2 { _ = step(number) }
        let times = (3..<3 + stepCount).map { step($0) }.sorted { $0.step < $1.step }
        report(times[times.count / 2], stepNumber: 3)
    }

    private func step(_ number: Int) -> Times {
        let clock = ContinuousClock()
        let rows = arenas.indices.map { work.rows(step: number, lane: $0) }
        let key = AccumulationKey(step: Step(UInt64(number)), attempt: 1)
        var times = Times()
        times.lanes = clock.measure { computeLanes(rows, key) } / .seconds(1)
        times.application = clock.measure { apply(number) } / .seconds(1)
        return times
    }

    private func computeLanes(_ rows: [PretrainingWork.Rows], _ key: AccumulationKey) {
        accumulator.reset(for: key, scales: scales)
        let encoders = PretrainingWork.Encoders(
            query: LaneParameters(parameters, rounded: rounded?.query),
            key: LaneParameters(keyParameters, rounded: rounded?.key))
        let losses = FloatVector(count: arenas.count)
        // Sendable: each iteration touches its own arena alone; the rest is only read.
        nonisolated(unsafe) let (work, arenas) = (work, arenas)
        let accumulator = accumulator
        DispatchQueue.concurrentPerform(iterations: arenas.count) { index in
            guard let lane = accumulator.open(lane: index, key: key) else { return }
            losses.pointer[index] = work.run(rows[index], encoders, arenas[index]) {
                lane.add($1.data, tensor: $0.index, elements: $2)
            }
            _ = lane.close(report: [])
        }
        loss = losses.elements.reduce(0, +) / Float(arenas.count)
    }

    /// As `Replica` does it, on as many threads as there are lanes.
    private func apply(_ number: Int) {
        let maxima = accumulator.contribution().maxima
        let application = GradientApplication(
            sums: accumulator.sums, scales: scales, rule: rule, layout: work.model.layout,
            threadCount: arenas.count)
        let norm = application.norm()
        application.update(
            parameters, with: optimizer,
            .init(
                number: UInt64(number), learningRate: 1e-4,
                gradientScale: norm > 1 ? Float(1 / norm) : 1))
        scales = rule.remembered(after: scales, maxima: maxima)
    }

    private func roundParameters() {
        rounded?.query.round(parameters)
        rounded?.key.round(keyParameters)
    }

    private func report(_ times: Times, stepNumber: Int) {
        let configuration = work.configuration
        let operations = arenas.indices.reduce(0.0) {
            $0 + work.operationCount(work.rows(step: stepNumber, lane: $1))
        }
        let rate = operations / times.step
        let limit = ProductRate.measure(configuration.precision, threadCount: arenas.count)
        let clips = Double(configuration.laneCount * configuration.rowCount)
        func fixed(_ value: Double, _ digits: Int) -> String {
            String(format: "%.\(digits)f", value)
        }
        let shape =
            "\(configuration.size) \(configuration.precision) lanes=\(configuration.laneCount) "
            + "rows=\(configuration.rowCount) text=\(configuration.tokenCount)"
        print(
            "accord \(shape): \(fixed(times.step * 1e3, 0)) ms/step "
                + "\(fixed(clips / times.step, 2)) clips/s \(fixed(rate / 1e9, 1)) GFLOP/s = "
                + "\(fixed(100 * rate / limit, 0))% of \(fixed(limit / 1e9, 0)) GFLOP/s "
                + "loss \(fixed(Double(loss), 3))")
        print(
            "  lanes \(fixed(times.lanes * 1e3, 0)) ms, applying "
                + "\(fixed(times.application * 1e3, 0)) ms, "
                + "\(fixed(Double(arenas[0].peakBytes) / 1e6, 0)) MB per lane, "
                + "\(work.model.layout.elementCount / 1_000_000) M parameters")
    }
}

/// The machine's own rate: the product of a feed-forward layer of the base model, again and again,
/// on as many threads at once; the best of all rounds, for others may use the machine.
enum ProductRate {
    private static let (rows, inner, columns) = (1024, 768, 3072)
    private static let roundCount = 30
    private static let productsPerRound = 8

    /// Floating-point operations per second.
    static func measure(_ precision: Precision, threadCount: Int) -> Double {
        let seconds = Mutex([Double](repeating: .infinity, count: threadCount))
        DispatchQueue.concurrentPerform(iterations: threadCount) { thread in
            let best = bestRound(precision)
            seconds.withLock { $0[thread] = best }
        }
        let operations = 2 * Double(rows * inner * columns * productsPerRound)
        return seconds.withLock { $0.reduce(0) { $0 + operations / $1 } }
    }

    private static func bestRound(_ precision: Precision) -> Double {
        let arena = Arena()
        defer { withExtendedLifetime(arena) {} }
        func factor(_ shape: [Int]) -> Matrix {
            let values = arena.allocateZeroed(shape)
            return precision == .f32 ? Matrix(values) : Matrix(arena.rounded(values))
        }
        let (left, right) = (factor([rows, inner]), factor([columns, inner]))
        let target = Matrix(arena.allocate([rows, columns]))
        return (0..<roundCount).map { _ in
            ContinuousClock().measure {
                for _ in 0..<productsPerRound {
                    multiply(.plain(left), .transposed(right), into: target)
                }
            } / .seconds(1)
        }.min() ?? .infinity
    }
}
