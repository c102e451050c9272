// SPDX-License-Identifier: Apache-2.0
import Optimizers
import Tensors
import Testing

struct ExponentialMovingAverageTests {
    @Test(arguments: [0, 0.25, 0.99, 1] as [Float])
    func theTargetKeepsItsShare(momentum: Float) {
        let target = FloatVector(count: 33)
        let source = FloatVector(count: 33)
        for index in 0..<33 {
            target.pointer[index] = Float(index)
            source.pointer[index] = Float(index * index) - 7
        }
        follow(target, source, momentum: momentum)

        let share = Double(momentum)
        for index in 0..<33 {
            let expected = share * Double(index) + (1 - share) * Double(index * index - 7)
            #expect(abs(Double(target.pointer[index]) - expected) <= 1e-4)
            #expect(source.pointer[index] == Float(index * index) - 7)
        }
    }
}
