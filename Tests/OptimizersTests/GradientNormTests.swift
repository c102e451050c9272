// SPDX-License-Identifier: Apache-2.0
import Optimizers
import Tensors
import Testing

struct GradientNormTests {
    private func norm(of vector: FloatVector) -> Double {
        let norm = GradientNorm(elementCount: vector.count)
        return norm.norm(
            (0..<norm.blockCount).map { block in
                let start = norm.elements(ofBlock: block).lowerBound
                return norm.sumOfSquares(vector.pointer + start, ofBlock: block)
            })
    }

    @Test func normsAgreeWithNumPy() throws {
        let rows = try OptimizerFixture.load().norms
        for row in rows {
            let vector = FloatVector(count: row.gradient.count)
            for (index, value) in row.gradient.enumerated() { vector.pointer[index] = Float(value) }
            #expect(abs(norm(of: vector) - row.norm) <= 1e-14 * row.norm)
        }
        #expect(rows.map(\.gradient.count) == [0, 1, 15, 16, 17, 1000])
    }

    // Powers of two, so that every sum is exact.
    @Test func blocksOfAnyVectorCoverItOnce() {
        for count in [1, 65_535, 65_536, 65_537, 200_000] {
            let vector = FloatVector(count: count)
            vector.pointer.update(repeating: 2, count: count)
            #expect(norm(of: vector) == (4 * Double(count)).squareRoot())
        }
    }

    // The squares of f32 numbers overflow f32, but not double precision.
    @Test func hugeGradientsHaveANorm() {
        let vector = FloatVector(count: 40)
        for index in 0..<40 { vector.pointer[index] = 1e30 }
        #expect(abs(norm(of: vector) / (1e30 * 40.0.squareRoot()) - 1) < 1e-6)
    }
}
