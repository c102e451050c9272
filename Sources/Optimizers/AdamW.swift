// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives
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

    /// What changes with the parameters, in the same pass over memory.
    package struct Followers: Sendable {
        /// The key encoder and how much of itself it keeps.
        /// - Source: He et al. 2020, arXiv:1911.05722, eq. 2.
        let keyEncoder: (parameters: FloatVector, momentum: Float)?
        /// Rounded copies of the parameters and of the key encoder's.
        let rounded: BFloatVector?
        let roundedKeyEncoder: BFloatVector?

        package init(
            keyEncoder: (parameters: FloatVector, momentum: Float)? = nil,
            rounded: BFloatVector? = nil, roundedKeyEncoder: BFloatVector? = nil
        ) {
            self.keyEncoder = keyEncoder
            self.rounded = rounded
            self.roundedKeyEncoder = roundedKeyEncoder
        }
    }

    package let configuration: Configuration
    /// First and second moments, as long as the parameter vector; part of the checkpoint.
    package let firstMoment: FloatVector
    package let secondMoment: FloatVector
    private let followers: Followers

    package init(
        _ configuration: Configuration, elementCount: Int, _ followers: Followers = Followers()
    ) {
        self.configuration = configuration
        self.followers = followers
        firstMoment = FloatVector(count: elementCount)
        secondMoment = FloatVector(count: elementCount)
    }

    /// Updates parameters, moments and followers; only entries that decay are decayed.
    ///
    /// Shapes: parameters [layout.elementCount], gradient [range.count].
    /// - Parameter range: elements to update; several threads may update ranges of their own.
    package func update(
        _ parameters: FloatVector, gradient: UnsafePointer<Float>, layout: ParameterLayout,
        _ update: Update, in range: Range<Int>
    ) {
        precondition(update.number > 0, "updates are counted from 1")
        precondition(
            [parameters, firstMoment, secondMoment].allSatisfy { $0.count == layout.elementCount },
            "\(parameters.count) parameters and \(firstMoment.count) moments for "
                + "\(layout.elementCount) elements")
        var constants = AccordAdamW(
            learning_rate: update.learningRate, weight_decay: 0, beta1: configuration.beta1,
            beta2: configuration.beta2, epsilon: configuration.epsilon,
            correction1: Self.correction(configuration.beta1, update.number),
            correction2: Self.correction(configuration.beta2, update.number),
            gradient_scale: update.gradientScale)
        for entry in layout.entries {
            let part = entry.range.clamped(to: range)
            guard !part.isEmpty else { continue }
            constants.weight_decay = entry.decays ? configuration.weightDecay : 0
            let start = part.lowerBound
            accord_adamw(
                constants, followers.kernelArguments(from: start),
                gradient + (start - range.lowerBound),
                parameters.pointer + start, firstMoment.pointer + start,
                secondMoment.pointer + start, part.count)
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

extension AdamW.Followers {
    fileprivate func kernelArguments(from start: Int) -> AccordFollowers {
        AccordFollowers(
            key: keyEncoder.map { $0.parameters.pointer + start },
            momentum: keyEncoder?.momentum ?? 0, rounded: rounded.map { $0.pointer + start },
            rounded_key: roundedKeyEncoder.map { $0.pointer + start })
    }
}
