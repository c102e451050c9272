// SPDX-License-Identifier: Apache-2.0
import CKernels
import Foundation
import Primitives
import Testing

@testable import Tensors

/// bfloat16 numbers and products of them against plain arithmetic in double precision.
struct BFloatTests {
    private func rounded(_ values: [Float]) -> [UInt16] {
        var result = [UInt16](repeating: 0, count: values.count)
        accord_to_bfloat(values, &result, values.count)
        return result
    }

    private func widened(_ values: [UInt16]) -> [Float] {
        var result = [Float](repeating: 0, count: values.count)
        accord_from_bfloat(values, &result, values.count)
        return result
    }

    private func numbers(_ count: Int, seed: UInt64) -> [Float] {
        var generator = SeededGenerator(seed: seed, purpose: .testing)
        return (0..<count).map { _ in 4 * generator.nextUnit() - 2 }
    }

    /// By definition: of the two neighbours with 8 significant bits the nearer, then the even one.
    private func nearest(_ value: Float) -> Float {
        let lower = Float(bitPattern: value.bitPattern & 0xffff_0000)
        let upper = Float(bitPattern: (value.bitPattern & 0xffff_0000) &+ 0x1_0000)
        let (below, above) = (
            abs(Double(value) - Double(lower)), abs(Double(upper) - Double(value))
        )
        if below == above { return lower.bitPattern & 0x1_0000 == 0 ? lower : upper }
        return below < above ? lower : upper
    }

    @Test func roundingIsToTheNearestAndTiesToTheEven() {
        var generator = SeededGenerator(seed: 1, purpose: .testing)
        let random = (0..<20_000).map { _ in
            Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
        }.filter { $0.isFinite && abs($0) < 3e38 }
        let ties = (0..<256 as Range<UInt32>).map { Float(bitPattern: 0x3f80_8000 + $0 << 16) }
        let small: [Float] = [0, -0.0, 1e-40, -3e-45, 1.17549435e-38, 1, -1]
        let values = random + ties + small

        let found = widened(rounded(values))

        for (value, result) in zip(values, found) {
            #expect(result.bitPattern == nearest(value).bitPattern, "\(value)")
        }
    }

    @Test func infinityAndNaNStayWhatTheyAre() {
        let nan = Float(bitPattern: 0x7f80_0001)
        let found = widened(rounded([.infinity, -.infinity, .nan, -nan, 3.4e38]))

        #expect(found[0] == .infinity && found[1] == -.infinity)
        #expect(found[2].isNaN && found[3].isNaN)
        #expect(found[4] == .infinity, "it lies beyond the largest bfloat16 number")
    }

    @Test func whatOneKernelRoundsIsWhatTwoWouldGive() {
        let (rows, columns) = (5, 37)
        let scores = numbers(rows * columns, seed: 3)
        var overwritten = scores
        var weights = [UInt16](repeating: 0, count: scores.count)
        accord_softmax_bfloat(&overwritten, &weights, rows, columns)

        let dy = numbers(scores.count, seed: 5)
        var dx = dy
        accord_softmax_backward(widened(weights), dy, &dx, rows, columns)
        var fusedGradient = weights
        accord_softmax_backward_bfloat(weights, dy, &fusedGradient, rows, columns)
        #expect(fusedGradient == rounded(dx))

        var fusedRounding = weights
        var (sums, fusedSums) = (
            [Float](repeating: 1, count: columns), [Float](repeating: 1, count: columns)
        )
        accord_round_and_add_columns(dy, &fusedRounding, &fusedSums, rows, columns)
        accord_add_columns(dy, &sums, rows, columns)
        #expect(fusedRounding == rounded(dy) && fusedSums == sums)
    }

    /// Half a unit of the last of 8 bits, and what the coarse exponential adds.
    private static let coarseError = 0x1p-8 + 0x1p-12

    @Test func weightsInBFloatAreThoseOfTheSoftmax() {
        let (rows, columns) = (5, 37)
        let scores = numbers(rows * columns, seed: 3).map { 8 * $0 }
        var overwritten = scores
        var weights = [UInt16](repeating: 0, count: scores.count)
        accord_softmax_bfloat(&overwritten, &weights, rows, columns)

        for row in 0..<rows {
            let own = scores[row * columns..<(row + 1) * columns].map { exp(Double($0)) }
            let sum = own.reduce(0, +)
            for (column, value) in own.enumerated() {
                let found = Double(widened([weights[row * columns + column]])[0])
                #expect(abs(found / (value / sum) - 1) <= Self.coarseError)
            }
        }
    }

    /// Value and slope of an activation, in double precision.
    private func exact(_ kind: AccordActivation, _ x: Double) -> (value: Double, slope: Double) {
        if kind == ACCORD_GELU {
            let share = 0.5 * erfc(-x / 2.0.squareRoot())
            return (x * share, share + x * exp(-x * x / 2) / (2 * Double.pi).squareRoot())
        }
        let share = 1 / (1 + exp(-1.702 * x))
        return (x * share, share + 1.702 * x * share * (1 - share))
    }

    /// Every bfloat16 number from -12 to 12, tails included.
    @Test(arguments: [ACCORD_GELU, ACCORD_QUICK_GELU])
    func activationsOfAllNumbersAreExactToTheirRounding(_ kind: AccordActivation) {
        let x = (UInt16.min...UInt16.max).filter {
            (0x1p-100...12).contains(abs(widened([$0])[0]))
        }
        let ones = [UInt16](repeating: 0x3f80, count: x.count)
        let shape = AccordRows(rows: 1, columns: x.count)
        var value = x
        accord_activate_bfloat(kind, x, &value, x.count)
        var (again, gradient, sums) = (x, ones, [Float](repeating: 1, count: x.count))
        accord_activate_backward_bfloat(kind, &again, &gradient, &sums, shape)

        #expect(x.count > 20_000 && again == value)
        let wide = (x: widened(x), value: widened(value), slope: widened(gradient))
        var (worstValue, worstSlope) = (0.0, 0.0)
        for index in x.indices {
            let expected = exact(kind, Double(wide.x[index]))
            worstValue = max(worstValue, abs(Double(wide.value[index]) / expected.value - 1))
            worstSlope = max(worstSlope, abs(Double(wide.slope[index]) - expected.slope))
            #expect(
                abs(sums[index] - 1 - wide.slope[index]) <= 0x1p-8 * abs(wide.slope[index])
                    + 0x1p-22)
        }
        #expect(worstValue <= Self.coarseError)
        // Slopes are at most 1.13, so their last bit is worth 2^-7.
        #expect(worstSlope <= 0x1p-8 + 0x1p-12)
    }

    @Test func aLayerNormGivesItsRowsInF32RoundedOrBoth() {
        let (rows, columns) = (3, 37)
        let (x, scale) = (numbers(rows * columns, seed: 8), numbers(columns, seed: 9))
        let bias = numbers(columns, seed: 10)
        func run(full: Bool, rounding: Bool) -> (y: [Float], rounded: [UInt16]) {
            var y = [Float](repeating: 0, count: x.count)
            var rounded = [UInt16](repeating: 0, count: x.count)
            var means = [Float](repeating: 0, count: rows)
            var inverses = means
            x.withUnsafeBufferPointer { x in
                scale.withUnsafeBufferPointer { scale in
                    bias.withUnsafeBufferPointer { bias in
                        means.withUnsafeMutableBufferPointer { means in
                            inverses.withUnsafeMutableBufferPointer { inverses in
                                let norm = AccordLayerNorm(
                                    x: x.baseAddress, scale: scale.baseAddress,
                                    bias: bias.baseAddress, epsilon: 1e-5,
                                    means: means.baseAddress,
                                    inverse_deviations: inverses.baseAddress)
                                let shape = AccordRows(rows: rows, columns: columns)
                                y.withUnsafeMutableBufferPointer { y in
                                    rounded.withUnsafeMutableBufferPointer { rounded in
                                        accord_layer_norm(
                                            shape, norm, full ? y.baseAddress : nil,
                                            rounding ? rounded.baseAddress : nil)
                                    }
                                }
                            }
                        }
                    }
                }
            }
            return (y, rounded)
        }
        let both = run(full: true, rounding: true)

        #expect(both.y.contains { $0 != 0 } && both.rounded == rounded(both.y))
        #expect(run(full: true, rounding: false).y == both.y)
        #expect(run(full: false, rounding: true).rounded == both.rounded)
    }

    struct Shape: Sendable, CustomTestStringConvertible {
        let rows: Int
        let inner: Int
        let columns: Int

        var testDescription: String { "[\(rows), \(inner)] x [\(inner), \(columns)]" }
    }

    private static let shapes = [
        Shape(rows: 1, inner: 1, columns: 1), Shape(rows: 3, inner: 5, columns: 2),
        Shape(rows: 17, inner: 33, columns: 40), Shape(rows: 64, inner: 96, columns: 65),
        Shape(rows: 4, inner: 0, columns: 3),
    ]

    /// Owns the memory of one product.
    private final class Bench {
        let arena = Arena()
        let left: Factor
        let right: Factor
        let wide: (left: [Float], right: [Float])
        let bias: Tensor

        init(_ shape: Shape, transposes: Int, _ values: (Int, UInt64) -> [Float]) {
            let (left, wideLeft) = Self.factor(
                shape.rows, shape.inner, isTransposed: transposes & 1 == 1,
                values(shape.rows * shape.inner, 1), arena)
            let (right, wideRight) = Self.factor(
                shape.inner, shape.columns, isTransposed: transposes & 2 == 2,
                values(shape.inner * shape.columns, 2), arena)
            (self.left, self.right, wide) = (left, right, (wideLeft, wideRight))
            bias = arena.allocate([shape.columns])
            for (column, value) in values(shape.columns, 7).enumerated() {
                bias.data[column] = value
            }
        }

        /// The factor, and its elements row by row as the product sees them.
        private static func factor(
            _ rows: Int, _ columns: Int, isTransposed: Bool, _ values: [Float], _ arena: Arena
        ) -> (Factor, [Float]) {
            let tensor = arena.allocateBFloat(isTransposed ? [columns, rows] : [rows, columns])
            accord_to_bfloat(values, tensor.data, values.count)
            var wide = values
            accord_from_bfloat(tensor.data, &wide, values.count)
            guard isTransposed else { return (.plain(Matrix(tensor)), wide) }
            let plain = (0..<rows * columns).map { index in
                wide[index % columns * rows + index / columns]
            }
            return (.transposed(Matrix(tensor)), plain)
        }

        func exact(_ shape: Shape, _ row: Int, _ column: Int) -> Double {
            (0..<shape.inner).reduce(0) {
                $0 + Double(wide.left[row * shape.inner + $1])
                    * Double(wide.right[$1 * shape.columns + column])
            }
        }
    }

    /// Both backends, because a machine has only one of them by itself. Products of bfloat16
    /// numbers are exact in f32, so only the sum rounds: at most `inner` times 2^-24 of terms < 4.
    @Test(arguments: shapes, [0, 1, 2, 3])
    func aProductIsThatOfPlainLoops(_ shape: Shape, transposes: Int) {
        let bench = Bench(shape, transposes: transposes, numbers)
        let tolerance = Double(shape.inner * shape.inner + 4) * 4 * 0x1p-24
        for backend in [MatrixBackend.oneDNN, .openBLAS]
        where backend == .openBLAS || MatrixBackend.own == .oneDNN {
            let target = bench.arena.allocate([shape.rows, shape.columns])
            target.data.update(repeating: 8, count: target.count)
            backend.multiply(
                .init(
                    left: bench.left, right: bench.right, bias: nil, target: Matrix(target),
                    scale: 0.5, keep: 0.25))
            let biased = bench.arena.allocateBFloat([shape.rows, shape.columns])
            backend.multiply(
                .init(
                    left: bench.left, right: bench.right, bias: bench.bias.data,
                    target: Matrix(biased), scale: 1, keep: 0))
            for row in 0..<shape.rows {
                for column in 0..<shape.columns {
                    let exact = bench.exact(shape, row, column)
                    let place = row * shape.columns + column
                    #expect(abs(Double(target.data[place]) - (0.5 * exact + 2)) <= tolerance)
                    let sum = exact + Double(bench.bias.data[column])
                    let found = Double(widened([biased.data[place]])[0])
                    // Rounding to 8 significant bits moves by at most 2^-8 of the number.
                    #expect(abs(found - sum) <= tolerance + abs(sum) * 0x1p-8)
                }
            }
        }
    }

    @Test func factorsOfDifferentKindsTrap() async {
        await #expect(processExitsWith: .failure) {
            let arena = Arena()
            let (wide, rounded) = (arena.allocateZeroed([2, 2]), arena.allocateBFloat([2, 2]))
            multiply(.plain(Matrix(wide)), .plain(Matrix(rounded)), into: Matrix(wide))
        }
    }
}
