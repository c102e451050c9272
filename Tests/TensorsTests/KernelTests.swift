// SPDX-License-Identifier: Apache-2.0
import CKernels
import Foundation
import Primitives
import Testing

/// The C kernels against the C library in double precision.
struct KernelTests {
    private func numbers(_ count: Int, _ range: ClosedRange<Float>, seed: UInt64 = 1) -> [Float] {
        var generator = SeededGenerator(seed: seed, purpose: .testing)
        return (0..<count).map { _ in
            range.lowerBound + (range.upperBound - range.lowerBound) * generator.nextUnit()
        }
    }

    private func distribution(_ x: Double) -> Double { 0.5 * erfc(-x / 2.0.squareRoot()) }

    // The lower tail too, where x (1 + erf(x / sqrt 2)) / 2 would cancel.
    @Test func geluIsExactToFiveTenMillionths() {
        let x = numbers(40_001, -12...12)
        var y = [Float](repeating: 0, count: x.count)
        accord_activate(ACCORD_GELU, x, &y, x.count)

        let worst = zip(x, y).map { x, y in
            abs(Double(y) / (Double(x) * distribution(Double(x))) - 1)
        }
        #expect(worst.allSatisfy { $0 < 5e-7 })
    }

    @Test func geluOfExtremeNumbersIsTheirLimit() {
        let x: [Float] = [0, -13, -100, -1e30, 13, 100, 1e30, .nan]
        var y = [Float](repeating: 1, count: x.count)
        accord_activate(ACCORD_GELU, x, &y, x.count)

        #expect(y[0] == 0 && abs(y[1]) < 1e-33 && abs(y[2]) < 1e-32 && abs(y[3]) < 1e-4)
        #expect(y[4] == 13 && y[5] == 100 && y[6] == 1e30 && y[7].isNaN)
    }

    @Test func theSlopeOfGELUAgreesAndIsAdded() {
        let x = numbers(20_003, -9...9)
        let dy = numbers(20_003, -2...2, seed: 2)
        var dx = [Float](repeating: 0.5, count: x.count)
        accord_gelu_backward(x, dy, &dx, x.count)

        for index in x.indices {
            let z = Double(x[index])
            let slope = distribution(z) + z * exp(-z * z / 2) / (2 * Double.pi).squareRoot()
            #expect(abs(Double(dx[index]) - 0.5 - Double(dy[index]) * slope) < 1e-6)
        }
    }

    private func quickGELU(_ x: [Float]) -> [Float] {
        var y = [Float](repeating: 0, count: x.count)
        accord_activate(ACCORD_QUICK_GELU, x, &y, x.count)
        return y
    }

    /// 1.702 x is off by two roundings, 2^-23 of itself at most, which the exponential passes on;
    /// that, sum, quotient and product add 6 more of 2^-24 each.
    @Test func quickGELUIsExactToAFewRoundings() {
        let x = numbers(40_001, -40...40)
        let worst = zip(x.map(Double.init), quickGELU(x)).map { x, y in
            let expected = x / (1 + exp(-1.702 * x))
            let errorMax = 0x1p-24 * (2 * abs(1.702 * x) + 6)
            return abs(Double(y) / expected - 1) / errorMax
        }
        #expect(worst.allSatisfy { $0 <= 1 })
    }

    @Test func quickGELUOfExtremeNumbersIsItsLimit() {
        let y = quickGELU([0, -100, -1e30, 100, 1e30, .nan])

        #expect(y[0] == 0 && abs(y[1]) < 1e-35 && abs(y[2]) < 1e-7)
        #expect(y[3] == 100 && y[4] == 1e30 && y[5].isNaN)
    }

    @Test func theSlopeOfQuickGELUAgrees() {
        let x = numbers(20_003, -9...9)
        let dy = numbers(20_003, -2...2, seed: 2)
        var (value, gradient, sums) = (x, dy, [Float](repeating: 0, count: x.count))
        accord_activate_backward(
            ACCORD_QUICK_GELU, &value, &gradient, &sums, AccordRows(rows: 1, columns: x.count))

        let errors = x.indices.map { index in
            let z = 1.702 * Double(x[index])
            let share = 1 / (1 + exp(-z))
            let expected = Double(dy[index]) * share * (1 + z * (1 - share))
            return abs(Double(gradient[index]) - expected)
        }
        #expect(errors.allSatisfy { $0 < 2e-6 })
    }

    /// The way back gives value, gradient and column sums at once, each with the bits that it has
    /// by itself.
    @Test(arguments: [ACCORD_GELU, ACCORD_QUICK_GELU])
    func theWayBackGivesTheValueAgain(_ kind: AccordActivation) {
        let (rows, columns) = (7, 37)
        let x = numbers(rows * columns, -3...3)
        let dy = numbers(rows * columns, -2...2, seed: 2)
        var expected = x
        accord_activate(kind, x, &expected, x.count)

        var (value, gradient) = (x, dy)
        var sums = [Float](repeating: 1, count: columns)
        accord_activate_backward(
            kind, &value, &gradient, &sums, AccordRows(rows: rows, columns: columns))

        #expect(value == expected)
        var expectedSums = [Float](repeating: 1, count: columns)
        accord_add_columns(gradient, &expectedSums, rows, columns)
        #expect(sums == expectedSums)
        guard kind == ACCORD_GELU else { return }
        var slopes = [Float](repeating: 0, count: x.count)
        accord_gelu_backward(x, dy, &slopes, x.count)
        #expect(gradient == slopes)
    }

    @Test func anActivationMayTakeThePlaceOfItsInput() {
        let x = numbers(1003, -5...5)
        var (apart, inPlace) = (x, x)
        accord_activate(ACCORD_GELU, x, &apart, x.count)
        inPlace.withUnsafeMutableBufferPointer {
            accord_activate(ACCORD_GELU, $0.baseAddress, $0.baseAddress, $0.count)
        }
        #expect(inPlace == apart)
    }

    /// The most by which a softmax may be wrong, relative, where |x - max| is `distance`.
    ///
    /// In units of 2^-24, half an ulp of 1: the rounded distance is off by its own size, which the
    /// exponential passes on; the exponential itself by 2 ulp, that is 8. The sum has the same two
    /// errors in the mean, weighted by the softmax p, where sum p |x - max| <= log(columns) (it is
    /// the entropy less the logarithm of the sum), and one for each addition on the way of a term:
    /// columns / 16 into its partial sum, then 16. The inverse and the product add one each.
    private func softmaxErrorMax(distance: Double, columns: Int) -> Double {
        let additions = Double(columns) / 16 + 16
        return 0x1p-24 * (distance + 8 + log(Double(columns)) + 8 + additions + 2)
    }

    @Test(arguments: [1, 2, 15, 16, 17, 50, 1000])
    func softmaxAgreesWithTheLibrary(columns: Int) {
        let x = numbers(3 * columns, -30...30, seed: UInt64(columns))
        var y = x
        accord_softmax(&y, 3, columns)

        for row in 0..<3 {
            let logits = x[row * columns..<(row + 1) * columns].map(Double.init)
            let largest = logits.max() ?? 0
            let sum = logits.reduce(0) { $0 + exp($1 - largest) }
            for column in 0..<columns {
                let expected = exp(logits[column] - largest) / sum
                let error = abs(Double(y[row * columns + column]) / expected - 1)
                let distance = largest - logits[column]
                #expect(error <= softmaxErrorMax(distance: distance, columns: columns))
            }
        }
    }

    // Masked columns, and rows so far apart that all but one exponential vanish.
    @Test func softmaxOfExtremeNumbersSumsToOne() {
        var y: [Float] = [3e38, -3e38, 0, 1e4, 1e4, -.greatestFiniteMagnitude]
        accord_softmax(&y, 2, 3)

        #expect(y[0] == 1 && y[1] < 1e-37 && y[2] < 1e-37)
        #expect(y[3] == 0.5 && y[4] == 0.5 && y[5] < 1e-37)
    }

    @Test(arguments: 0..<3) func aNotANumberIsNeverHidden(position: Int) {
        var y: [Float] = [1, 2, 3]
        y[position] = .nan
        accord_softmax(&y, 1, 3)
        #expect(y.allSatisfy { $0.isNaN })
    }

    // Rows alone and together, whole vectors and remainders: the same element, the same bits.
    @Test func anElementDoesNotDependOnItsNeighbours() {
        let x = numbers(1000, -5...5)
        var together = x
        accord_activate(ACCORD_GELU, x, &together, x.count)
        let alone = x.map { element in
            var result: Float = 0
            withUnsafePointer(to: element) { accord_activate(ACCORD_GELU, $0, &result, 1) }
            return result
        }
        #expect(together.map(\.bitPattern) == alone.map(\.bitPattern))
    }

    @Test func pixelsAreNormalizedByChannel() {
        let bytes: [UInt8] = [0, 128, 255, 10, 20, 30]
        var y = [Float](repeating: 0, count: 6)
        accord_normalize_pixels(bytes, &y, 6, [0.5, 0.25, 0], [0.5, 0.25, 2])

        let expected: [Double] = [
            -1, (128.0 / 255 - 0.25) / 0.25, 0.5, (10.0 / 255 - 0.5) / 0.5,
            (20.0 / 255 - 0.25) / 0.25, 30.0 / 255 / 2,
        ]
        #expect(zip(y, expected).allSatisfy { abs(Double($0.0) - $0.1) < 1e-6 })
    }
}
