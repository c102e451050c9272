// SPDX-License-Identifier: Apache-2.0
import Autograd
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

    private static let warmUpSteps = 2

    private let work: PretrainingWork
    private let parameters: FloatVector
    private let keyParameters: FloatVector
    private let optimizer: AdamW
    private let rule: ExactSums
    private let accumulator: LaneAccumulator
    private let workspaces: [PretrainingWork.Workspace]
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
            rule: rule, tensors: layout.entries.map(\.range), sums: IntVector(count: count))
        workspaces = (0..<work.configuration.laneCount).map { _ in .init() }
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
        for number in 1...Self.warmUpSteps { _ = step(number) }
        for workspace in workspaces { workspace.clock.reset() }
        let pageFaults = ProcessUsage.pageFaults
        let times = (1...stepCount).map { step(Self.warmUpSteps + $0) }
        report(
            times.sorted { $0.step < $1.step }[stepCount / 2], stepCount: stepCount,
            pageFaults: ProcessUsage.pageFaults - pageFaults)
    }

    /// Each step twice, with the banks and without, so that both meet the same neighbours.
    func compareBanks(stepCount: Int) {
        for number in 1...Self.warmUpSteps { _ = step(number) }
        let pairs = (1...stepCount).map { number in
            let place = Self.warmUpSteps + 2 * number
            return (
                with: step(place).step, without: step(place + 1, usesBanks: false).step
            )
        }
        func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
        let (with, without) = (median(pairs.map(\.with)), median(pairs.map(\.without)))
        let ratios = pairs.map { $0.with / $0.without }
        let configuration = work.configuration
        print(
            "accord \(configuration.size) \(configuration.precision): "
                + "\(configuration.viewCount) banks of \(configuration.bankCapacity) keys: "
                + "\((with * 1e3).fixed(0)) ms/step, without \((without * 1e3).fixed(0)); "
                + "median of \(stepCount) ratios \(median(ratios).fixed(4))")
    }

    private func step(_ number: Int, usesBanks: Bool = true) -> Times {
        let clock = ContinuousClock()
        let rows = workspaces.indices.map { work.rows(step: number, lane: $0) }
        let key = AccumulationKey(step: Step(UInt64(number)), attempt: 1)
        var times = Times()
        times.lanes = clock.measure { computeLanes(rows, key, usesBanks) } / .seconds(1)
        times.application = clock.measure { apply(number) } / .seconds(1)
        return times
    }

    private func computeLanes(
        _ rows: [PretrainingWork.Rows], _ key: AccumulationKey, _ usesBanks: Bool
    ) {
        accumulator.reset(for: key, scales: scales)
        let encoders = PretrainingWork.Encoders(
            query: LaneParameters(parameters, rounded: rounded?.query),
            key: LaneParameters(keyParameters, rounded: rounded?.key))
        let losses = FloatVector(count: workspaces.count)
        // Sendable: each iteration touches its own memory alone; the rest is only read.
        nonisolated(unsafe) let (work, workspaces) = (work, workspaces)
        let accumulator = accumulator
        DispatchQueue.concurrentPerform(iterations: workspaces.count) { index in
            guard let lane = accumulator.open(lane: index, key: key) else { return }
            let workspace = workspaces[index]
            losses.pointer[index] = work.run(
                rows[index], encoders, workspace, usesBanks: usesBanks
            ) {
                parameter, gradient, elements in
                workspace.clock.measure("exact sums") {
                    lane.add(gradient.data, tensor: parameter.index, elements: elements)
                }
            }
            _ = lane.close(report: [])
        }
        loss = losses.elements.reduce(0, +) / Float(workspaces.count)
    }

    /// As `Replica` does it, on as many threads as there are lanes.
    private func apply(_ number: Int) {
        let maxima = accumulator.contribution().maxima
        let application = GradientApplication(
            sums: accumulator.sums, scales: scales, rule: rule, layout: work.model.layout,
            threadCount: workspaces.count)
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

    private func report(_ times: Times, stepCount: Int, pageFaults: Int) {
        let configuration = work.configuration
        let operations = workspaces.indices.reduce(0.0) {
            $0 + work.operationCount(work.rows(step: Self.warmUpSteps + 1, lane: $1))
        }
        let rate = operations / times.step
        let limit = ProductRate.measure(configuration.precision, threadCount: workspaces.count)
        let clips = Double(configuration.laneCount * configuration.rowCount)
        let shape =
            "\(configuration.size) \(configuration.precision) lanes=\(configuration.laneCount) "
            + "rows=\(configuration.rowCount) text=\(configuration.tokenCount)"
        print(
            "accord \(shape): \((times.step * 1e3).fixed(0)) ms/step "
                + "\((clips / times.step).fixed(2)) clips/s \((rate / 1e9).fixed(1)) GFLOP/s = "
                + "\((100 * rate / limit).fixed(0))% of \((limit / 1e9).fixed(0)) GFLOP/s "
                + "loss \(Double(loss).fixed(3))")
        print(
            "  lanes \((times.lanes * 1e3).fixed(0)) ms, applying "
                + "\((times.application * 1e3).fixed(0)) ms; memory: "
                + "\((Double(workspaces[0].arena.peakBytes) / 1e6).fixed(0)) MB per lane, "
                + "\((ProcessUsage.peakBytes / 1e6).fixed(0)) MB in all, "
                + "\(pageFaults / stepCount) page faults per step; "
                + "\(work.model.layout.elementCount / 1_000_000) M parameters")
        reportOperations(stepCount: stepCount)
    }

    /// Where the time of the first lane went, per step.
    private func reportOperations(stepCount: Int) {
        let times = workspaces[0].clock.times.sorted {
            $0.value.forward + $0.value.backward > $1.value.forward + $1.value.backward
        }
        let total = times.reduce(0) { $0 + ($1.value.forward + $1.value.backward) / .seconds(1) }
        for (name, time) in times {
            let (forward, backward) = (time.forward / .seconds(1), time.backward / .seconds(1))
            let label = name.prefix { $0 != "(" }.padding(toLength: 24, withPad: " ", startingAt: 0)
            func column(_ seconds: Double) -> String {
                let text = (1e3 * seconds / Double(stepCount)).fixed(1)
                return String(repeating: " ", count: max(0, 7 - text.count)) + text
            }
            print(
                "    \(label)\(column(forward)) ms forward\(column(backward)) ms backward  "
                    + "\((100 * (forward + backward) / total).fixed(1)) %")
        }
    }
}

extension Double {
    fileprivate func fixed(_ digits: Int) -> String { String(format: "%.\(digits)f", self) }
}

/// What the system knows of this process.
private enum ProcessUsage {
    private static var current: rusage {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage
    }

    static var peakBytes: Double { Double(current.ru_maxrss) * 1024 }

    /// Memory that was touched for the first time: none in a steady step that allocates nothing.
    static var pageFaults: Int { current.ru_minflt }
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
