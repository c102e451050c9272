// SPDX-License-Identifier: Apache-2.0
import Tensors
import Testing

struct GradientTests {
    @Test(
        arguments: OperationCase.all + OperationCase.borders + OperationCase.begun,
        [1, 2, 3] as [UInt64])
    func valueAndPullbackAgreeWithTheOracle(_ operation: OperationCase, seed: UInt64) {
        #expect(GradientCheck(operation, seed: seed).mismatches() == [])
    }

    @Test(
        arguments: OperationCase.all + OperationCase.borders + OperationCase.begun,
        [1, 2, 3] as [UInt64])
    func inBF16TheyAgreeWithinItsRounding(_ operation: OperationCase, seed: UInt64) {
        #expect(GradientCheck(operation, seed: seed, precision: .bf16).mismatches() == [])
    }

    @Test(arguments: OperationCase.all)
    func inBF16APullbackThatIsTenPercentOffIsNoticed(_ operation: OperationCase) {
        let check = GradientCheck(operation, seed: 1, precision: .bf16)
        for input in operation.shapes.indices {
            #expect(check.mismatches(tampering: (input, 1.1)) != [], "input \(input)")
        }
    }

    @Test(arguments: OperationCase.all)
    func aPullbackThatIsOnePercentOffIsNoticed(_ operation: OperationCase) {
        let check = GradientCheck(operation, seed: 1)
        for input in operation.shapes.indices {
            #expect(check.mismatches(tampering: (input, 1.01)) != [], "input \(input)")
        }
    }
}
