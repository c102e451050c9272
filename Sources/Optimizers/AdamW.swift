// SPDX-License-Identifier: Apache-2.0
import CKernels
import Tensors

/// Adam with decoupled weight decay.
///
/// Determinism: elementwise, so bit-identical for equal inputs.
/// - Source: Loshchilov and Hutter 2019, arXiv:1711.05101; reference torch.optim.AdamW.
package struct AdamW: Sendable {
    package struct Configuration: Sendable, Equatable {
        package var weightDecay: Float
        package var beta1: Float
        package var beta2: Float
        package var epsilon: Float

        package init(weightDecay: Float, beta1: Float, beta2: Float, epsilon: Float) {
            self.weightDecay = weightDecay
            self.beta1 = beta1
            self.beta2 = beta2
            self.epsilon = epsilon
        }
    }

    /// What changes from update to update, besides the gradient.
    package struct Update: Sendable {
        /// 1 for the first update.
        package var number: UInt64
        package var learningRate: Float
        /// Multiplies the gradient: the clipping factor.
        package var gradientScale: Float

        package init(number: UInt64, learningRate: Float, gradientScale: Float) {
            self.number = number
            self.learningRate = learningRate
            self.gradientScale = gradientScale
        }
    }

    package let configuration: Configuration
    /// First and second moments, as long as the parameter vector; part of the checkpoint.
    package let firstMoment: FloatVector
    package let secondMoment: FloatVector

    package init(_ configuration: Configuration, elementCount: Int) {
        self.configuration = configuration
        firstMoment = FloatVector(count: elementCount)
        secondMoment = FloatVector(count: elementCount)
    }

    /// Updates parameters and moments; only entries that decay are decayed.
    ///
    /// Shapes: parameters, gradient [layout.elementCount].
    package func update(
        _ parameters: FloatVector, gradient: FloatVector, layout: ParameterLayout, _ update: Update
    ) {
        precondition(update.number > 0, "updates are counted from 1")
        precondition(
            [parameters, gradient, firstMoment, secondMoment].allSatisfy {
                $0.count == layout.elementCount
            },
            "\(parameters.count) parameters, \(gradient.count) gradient elements and "
                + "\(firstMoment.count) moments for \(layout.elementCount) elements")
        var constants = AccordAdamW(
            learning_rate: update.learningRate, weight_decay: 0, beta1: configuration.beta1,
            beta2: configuration.beta2, epsilon: configuration.epsilon,
            correction1: Self.correction(configuration.beta1, update.number),
            correction2: Self.correction(configuration.beta2, update.number),
            gradient_scale: update.gradientScale)
        for entry in layout.entries {
            constants.weight_decay = entry.decays ? configuration.weightDecay : 0
            accord_adamw(
                constants, gradient.pointer + entry.offset, parameters.pointer + entry.offset,
                firstMoment.pointer + entry.offset, secondMoment.pointer + entry.offset,
                entry.count)
        }
    }

    /// 1 - beta^n, by repeated squaring in double precision: the C library's `pow` may change.
    private static func correction(_ beta: Float, _ number: UInt64) -> Float {
        var power = 1.0
        var base = Double(beta)
        var exponent = number
        while exponent > 0 {
            if exponent & 1 == 1 { power *= base }
            base *= base
            exponent >>= 1
        }
        return Float(1 - power)
    }
}
