// SPDX-License-Identifier: Apache-2.0
import Tensors
import Testing
import WeightFiles

@testable import Autograd

struct OperationGoldenTests {
    /// docs/numerics.md, "One operation": thrice the root mean square of the roundings on the way.
    private static func boundsInBFloat(_ operation: OperationCase) -> [Double] {
        let counts =
            [operation.roundings.value]
            + operation.shapes.map { _ in operation.roundings.gradients }
        return counts.map { $0 == 0 ? 1e-5 : 3 * Double($0).squareRoot() * 0x1p-9 }
    }

    @Test(arguments: OperationGolden.operations)
    func valueAndGradientsAgreeWithPyTorch(_ operation: OperationCase) throws {
        let golden = try OperationGolden(operation)

        for (index, error) in golden.errors(.f32).enumerated() {
            #expect(error <= 1e-5, "\(OperationGolden.names(operation)[index])")
        }
    }

    @Test(arguments: OperationGolden.operations)
    func inBFloatErrorsAreThoseOfRoundings(_ operation: OperationCase) throws {
        let errors = try OperationGolden(operation).errors(.bf16)

        for (index, bound) in Self.boundsInBFloat(operation).enumerated() {
            #expect(errors[index] <= bound, "\(OperationGolden.names(operation)[index])")
        }
        // What is said to be rounded is.
        #expect((errors[0] > 1e-4) == (operation.roundings.value > 0))
        #expect((errors.dropFirst().max() ?? 0 > 1e-4) == (operation.roundings.gradients > 0))
    }

    @Test(arguments: OperationGolden.operations)
    func onePercentOffIsNoticedAndInBFloatTen(_ operation: OperationCase) throws {
        let golden = try OperationGolden(operation)

        #expect(golden.errors(.f32, scale: 1.01).allSatisfy { $0 > 1e-5 })
        #expect(
            zip(golden.errors(.bf16, scale: 1.1), Self.boundsInBFloat(operation))
                .allSatisfy { $0 > $1 })
    }

    @Test func everyOperationHasAGoldenAndEveryGoldenAnOperation() throws {
        let names = OperationGolden.operations.flatMap(OperationGolden.names)

        #expect(try names.sorted() == OperationGolden.file().header.entries.keys.sorted())
    }

    @Test func headsOfTheLongSequenceComeInSeveralGroups() {
        let shape = OperationCase.longAttention.shapes[0]
        var headCounts: [Int] = []
        AttentionHeads(layout: SequenceLayout(lengths: [shape[0]]), headCount: 4, width: shape[1])
            .forEachGroup { headCounts.append($0.headCount) }

        #expect(headCounts == [2, 2])
    }
}
