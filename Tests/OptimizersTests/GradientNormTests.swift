// SPDX-License-Identifier: Apache-2.0
import Optimizers
import Tensors
import Testing

struct GradientNormTests {
    @Test func normsAgreeWithNumPy() throws {
        let rows = try OptimizerFixture.load().norms
        for row in rows {
            let vector = FloatVector(count: row.gradient.count)
            for (index, value) in row.gradient.enumerated() { vector.pointer[index] = Float(value) }
            #expect(abs(gradientNorm(vector) - row.norm) <= 1e-14 * row.norm)
        }
        #expect(rows.map(\.gradient.count) == [0, 1, 15, 16, 17, 1000])
    }

    // The squares of f32 numbers overflow f32, but not double precision.
    @Test func hugeGradientsHaveANorm() {
        let vector = FloatVector(count: 40)
        for index in 0..<40 { vector.pointer[index] = 1e30 }
        #expect(abs(gradientNorm(vector) / (1e30 * 40.0.squareRoot()) - 1) < 1e-6)
    }
}
