// SPDX-License-Identifier: Apache-2.0
import Optimizers
import Tensors
import Testing

struct AdamWTests {
    private let fixture: OptimizerFixture.Adam
    private let layout: ParameterLayout

    init() throws {
        fixture = try OptimizerFixture.load().adamw
        var layout = ParameterLayout()
        _ = layout.add("matrix", [4, 5], .zeros, decays: true)
        _ = layout.add("bias", [5], .zeros, decays: false)
        self.layout = layout
    }

    private func fill(_ vector: FloatVector, _ parts: [[Double]]) {
        for (entry, values) in zip(layout.entries, parts) {
            for (index, value) in values.enumerated() {
                vector.pointer[entry.offset + index] = Float(value)
            }
        }
    }

    private func optimizer(weightDecay: Float? = nil) -> AdamW {
        AdamW(
            .init(
                weightDecay: weightDecay ?? Float(fixture.weightDecay),
                beta1: Float(fixture.beta1), beta2: Float(fixture.beta2),
                epsilon: Float(fixture.epsilon)),
            elementCount: layout.elementCount)
    }

    /// The largest difference from the fixture over all updates and elements.
    private func largestError(_ optimizer: AdamW) -> Float {
        let parameters = FloatVector(count: layout.elementCount)
        let gradient = FloatVector(count: layout.elementCount)
        fill(parameters, fixture.start)
        var largest: Float = 0
        for (index, update) in fixture.updates.enumerated() {
            fill(gradient, update.gradients)
            optimizer.update(
                parameters, gradient: gradient.pointer, layout: layout,
                .init(
                    number: UInt64(index + 1), learningRate: Float(update.learningRate),
                    gradientScale: Float(update.gradientScale)),
                in: 0..<layout.elementCount)
            for (entry, expected) in zip(layout.entries, update.parameters) {
                for (position, value) in expected.enumerated() {
                    let error = abs(parameters.pointer[entry.offset + position] - Float(value))
                    largest = error <= largest ? largest : error
                }
            }
        }
        return largest
    }

    // Parameters of size 1 after ten f32 updates: a handful of roundings of 6e-8 each.
    @Test func tenUpdatesAgreeWithNumPy() {
        #expect(largestError(optimizer()) < 1e-6)
    }

    @Test func withoutDecayTheNumbersAreOthers() {
        #expect(largestError(optimizer(weightDecay: 0)) > 1e-3)
    }

    @Test func paddingStaysZero() {
        let parameters = FloatVector(count: layout.elementCount)
        let gradient = FloatVector(count: layout.elementCount)
        gradient.pointer.update(repeating: 1, count: gradient.count)
        let optimizer = optimizer()
        optimizer.update(
            parameters, gradient: gradient.pointer, layout: layout,
            .init(number: 1, learningRate: 0.1, gradientScale: 1), in: 0..<layout.elementCount)

        let padding = Array(20..<32) + Array(37..<48)
        for vector in [parameters, optimizer.firstMoment, optimizer.secondMoment] {
            #expect(padding.allSatisfy { vector.pointer[$0] == 0 })
        }
        #expect(parameters.pointer[0] != 0 && parameters.pointer[32] != 0)
    }

    @Test func oneUpdateIsAPureFunction() {
        func bits() -> [UInt32] {
            let parameters = FloatVector(count: layout.elementCount)
            let gradient = FloatVector(count: layout.elementCount)
            fill(parameters, fixture.start)
            fill(gradient, fixture.updates[0].gradients)
            optimizer().update(
                parameters, gradient: gradient.pointer, layout: layout,
                .init(number: 1000, learningRate: 0.01, gradientScale: 0.5),
                in: 0..<layout.elementCount)
            return parameters.elements.map(\.bitPattern)
        }
        #expect(bits() == bits())
    }
}
