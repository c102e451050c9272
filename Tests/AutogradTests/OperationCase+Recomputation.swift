// SPDX-License-Identifier: Apache-2.0
import Autograd
import Tensors

extension OperationCase {
    /// Alone the gradient of x is written; beside another use it is added to what is there.
    static let recomputed = OperationCase("recomputed", [[3, 4]], roundings: (2, 2)) {
        recomputed($1[0], $0)
    } oracle: {
        recomputed($0[0])
    }

    static let recomputedWithAnotherUse = OperationCase(
        "recomputed, another use", [[3, 4]], roundings: (2, 2)
    ) {
        $0.add(recomputed($1[0], $0), $1[0])
    } oracle: {
        zip(recomputed($0[0]), $0[0]).map { $0 + $1 }
    }

    /// [4, 4], multiples of 1/4.
    private static let weight: [Float] = (0..<16).map { Float($0 * 5 % 7) / 4 - 0.75 }

    /// x + gelu(x) Wᵀ
    private static func recomputed(_ x: Variable, _ tape: Tape) -> Variable {
        let weight = tape.arena.allocate([4, 4])
        for (index, number) in Self.weight.enumerated() { weight.data[index] = number }
        return tape.recomputed(x) { tape, x in
            tape.linear(tape.gelu(x), weight: tape.constant(weight), bias: nil, residual: x)
        }
    }

    private static func recomputed(_ x: [Double]) -> [Double] {
        zip(x, Oracle.linear(Oracle.gelu(x), weight.map(Double.init), nil, input: 4))
            .map { $0 + $1 }
    }
}
