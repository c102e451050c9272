// SPDX-License-Identifier: Apache-2.0
import Collectives
import Hashing
import Objectives
import Optimizers
import Primitives
import Tensors

/// The whole state of a simulated worker: parameters, moments, key encoder, bank, scales, counters.
///
/// Isolation: one thread.
final class TinyReplica {
    private static let bankCapacity = 16
    private static let gradientNormMax = 1.0
    private static let learningRate: Float = 0.02

    private let task: TinyTask
    private let parameters: FloatVector
    private let keyParameters: FloatVector
    private let optimizer: AdamW
    private var bank: MemoryBank
    private(set) var applied = Step.initial
    /// Remembered exponent byte per tensor.
    private(set) var scales: [UInt8]
    private var updateCount: UInt64 = 0

    /// The state of step 0, a function of the seed.
    init(_ task: TinyTask) {
        self.task = task
        let count = task.layout.elementCount
        parameters = FloatVector(count: count)
        keyParameters = FloatVector(count: count)
        task.layout.initialize(parameters, seed: task.configuration.seed)
        keyParameters.copy(from: parameters)
        optimizer = AdamW(
            .init(weightDecay: 0.01, beta1: 0.9, beta2: 0.99, epsilon: 1e-8), elementCount: count,
            .init(keyEncoder: (keyParameters, 0.9)))
        bank = MemoryBank(capacity: Self.bankCapacity, width: TinyNetwork.width)
        scales = [UInt8](repeating: 0, count: task.layout.entries.count)
    }

    // MARK: - Lanes

    /// A pure function of the state, the step, the lane and the clips that are left out.
    func computeLane(_ step: Step, lane: Int, masked: Set<Int>) -> TinyLane {
        precondition(step == applied.next, "lanes of step \(step) after \(applied)")
        let clips = task.clips(step: step, lane: lane).filter { !masked.contains($0) }
        let weight = Float(task.laneCount) / Float(task.plannedRowCount(step))
        var gradient = [Float](repeating: 0, count: task.layout.elementCount)
        var report = TinyLane.Report(clips: clips)
        let network = task.network
        for clip in clips {
            report.loss += network.addGradient(
                of: clip, parameters.pointer, negatives: negatives(of: clip), weight: weight,
                to: &gradient)
            report.keys.append(
                .init(clipIndex: clip, key: network.key(clip, keyParameters.pointer)))
        }
        if lane == 0, !clips.isEmpty {
            if task.configuration.outlierSteps.contains(step.number) {
                for place in gradient.indices { gradient[place] *= 0x1p20 }
            }
            if task.configuration.notFiniteSteps.contains(step.number) {
                gradient[network.outputBiasPlace] = .infinity
            }
        }
        return TinyLane(gradient: gradient, report: report.encode())
    }

    /// The mean key of other clips in the bank. Shapes: -> [D].
    private func negatives(of clip: Int) -> [Float] {
        let (keys, clips) = bank.candidates
        var sum = [Float](repeating: 0, count: TinyNetwork.width)
        for (row, other) in clips.enumerated() where other != clip {
            for place in sum.indices { sum[place] += keys.data[row * sum.count + place] }
        }
        let count = Float(max(1, clips.count))
        return sum.map { $0 / count }
    }

    // MARK: - Steps

    /// - Throws: for a result that does not follow this state, or is none.
    func apply(_ reduced: ReducedStep) throws(MalformedBytes) -> TinySummary {
        let decision = task.rule.decide(
            scales: reduced.scales, maxima: reduced.maxima, attempt: reduced.attempt)
        let fits = zip(reduced.scales, scales).allSatisfy {
            reduced.attempt == 1 ? $0 == $1 : $0 >= $1
        }
        guard reduced.step == applied.next, reduced.sums.count == parameters.count, fits,
            reduced.reports.count == task.laneCount,
            decision == .commit || decision == .skip
        else {
            throw MalformedBytes(
                field: "reduced step \(reduced.step)", offset: 0,
                rule: "it does not follow step \(applied)")
        }
        var reports: [TinyLane.Report] = []
        for bytes in reduced.reports { reports.append(try TinyLane.Report(decoding: bytes)) }
        if decision == .commit {
            update(reduced)
            bank.enqueue(reports.flatMap(\.keys), step: reduced.step)
        }
        applied = reduced.step
        return TinySummary(
            step: applied, isSkipped: decision == .skip, clips: reports.flatMap(\.clips))
    }

    private func update(_ reduced: ReducedStep) {
        var gradient = [Float](repeating: 0, count: parameters.count)
        for (tensor, range) in task.tensors.enumerated() {
            let factor = task.rule.meanFactor(remembered: reduced.scales[tensor])
            for place in range { gradient[place] = Float(reduced.sums.pointer[place]) * factor }
        }
        let norm = gradient.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        updateCount += 1
        optimizer.update(
            parameters, gradient: gradient, layout: task.layout,
            .init(
                number: updateCount, learningRate: Self.learningRate,
                gradientScale: norm > Self.gradientNormMax
                    ? Float(Self.gradientNormMax / norm) : 1),
            in: 0..<parameters.count)
        scales = task.rule.remembered(after: reduced.scales, maxima: reduced.maxima)
    }

    // MARK: - Bytes

    private var vectors: [FloatVector] {
        [parameters, keyParameters, optimizer.firstMoment, optimizer.secondMoment]
    }

    func encodeSnapshot() -> [UInt8] {
        var writer = ByteWriter(reservingBytes: 4 * 4 * parameters.count + 2048)
        writer.write(applied.number)
        writer.write(updateCount)
        writer.write(block: scales)
        for vector in vectors { writer.write(raw: UnsafeRawBufferPointer(vector.elements)) }
        bank.encode(into: &writer)
        return writer.bytes
    }

    /// SHA-256 over everything that the next step depends on.
    func stateHash() -> [UInt8] { Self.stateHash(of: encodeSnapshot()) }

    static func stateHash(of snapshot: [UInt8]) -> [UInt8] { Digest(of: snapshot).bytes }

    func restore(_ snapshot: [UInt8]) throws(MalformedBytes) {
        var reader = ByteReader(snapshot)
        let step = Step(try reader.read(UInt64.self, "step"))
        let updates = try reader.read(UInt64.self, "update count")
        let scales = try reader.readBlock("scales")
        for vector in vectors {
            let raw = try reader.readRaw(vector.count * 4, "vector")
            UnsafeMutableRawBufferPointer(vector.elements).copyBytes(from: raw)
        }
        bank = try MemoryBank(
            decoding: &reader, capacity: Self.bankCapacity, width: TinyNetwork.width)
        try reader.expectEnd("snapshot")
        (applied, updateCount, self.scales) = (step, updates, scales)
    }
}
