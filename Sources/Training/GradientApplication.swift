// SPDX-License-Identifier: Apache-2.0
import CKernels
import Collectives
import Optimizers
import Synchronization
import Tensors

/// The end of a step: from integer sums to new parameters, in two passes over memory, because the
/// norm of the whole mean gradient decides how much of it counts.
///
/// The mean gradient never exists as a whole: each pass makes it again, a piece at a time, which
/// stays in the cache. Determinism: neither pass depends on the number of threads.
package struct GradientApplication: Sendable {
    private enum Source {
        /// With what turns a sum into the mean gradient, per tensor.
        case sums(IntVector, factors: [Float])
        case mean(FloatVector)
    }

    private let source: Source
    private let layout: ParameterLayout
    private let threadCount: Int
    private let pieces: GradientNorm

    /// - Parameter scales: the remembered exponents with which the lanes were quantised.
    package init(
        sums: IntVector, scales: [UInt8], rule: ExactSums, layout: ParameterLayout,
        threadCount: Int
    ) {
        precondition(
            sums.count == layout.elementCount && scales.count == layout.entries.count,
            "\(sums.count) sums of \(scales.count) tensors for \(layout.elementCount) elements")
        let factors = scales.map { rule.meanFactor(remembered: $0) }
        self.init(.sums(sums, factors: factors), layout, threadCount)
    }

    /// For a mean gradient that was made without integer sums.
    init(meanGradient: FloatVector, layout: ParameterLayout, threadCount: Int) {
        precondition(
            meanGradient.count == layout.elementCount,
            "a gradient of \(meanGradient.count) elements for \(layout.elementCount)")
        self.init(.mean(meanGradient), layout, threadCount)
    }

    private init(_ source: Source, _ layout: ParameterLayout, _ threadCount: Int) {
        self.source = source
        self.layout = layout
        self.threadCount = threadCount
        pieces = GradientNorm(elementCount: layout.elementCount)
    }

    /// The Euclidean norm of the mean gradient.
    package func norm() -> Double {
        let squares = Mutex([Double](repeating: 0, count: pieces.blockCount))
        forEachPiece { piece, gradient in
            let sum = pieces.sumOfSquares(gradient, ofBlock: piece)
            squares.withLock { $0[piece] = sum }
        }
        return pieces.norm(squares.withLock { $0 })
    }

    /// Updates the parameters and whatever follows them.
    package func update(
        _ parameters: FloatVector, with optimizer: AdamW, _ update: AdamW.Update
    ) {
        forEachPiece { piece, gradient in
            optimizer.update(
                parameters, gradient: gradient, layout: layout, update,
                in: pieces.elements(ofBlock: piece))
        }
    }

    private func forEachPiece(_ body: @escaping @Sendable (Int, UnsafePointer<Float>) -> Void) {
        ParallelPieces(threadCount: threadCount).forEach(
            pieces.blockCount, scratchCount: GradientNorm.blockElements
        ) { piece, gradient in
            fill(gradient, pieces.elements(ofBlock: piece))
            body(piece, gradient)
        }
    }

    /// The mean gradient of some elements; zero between the tensors.
    private func fill(_ gradient: UnsafeMutablePointer<Float>, _ range: Range<Int>) {
        gradient.update(repeating: 0, count: range.count)
        for (tensor, entry) in layout.entries.enumerated() {
            let part = entry.range.clamped(to: range)
            guard !part.isEmpty else { continue }
            let target = gradient + (part.lowerBound - range.lowerBound)
            switch source {
            case .sums(let sums, let factors):
                accord_dequantise(
                    sums.pointer + part.lowerBound, target, part.count, factors[tensor])
            case .mean(let mean):
                target.update(from: mean.pointer + part.lowerBound, count: part.count)
            }
        }
    }
}
