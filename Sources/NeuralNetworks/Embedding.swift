// SPDX-License-Identifier: Apache-2.0
import Autograd
import Tensors

/// A table of learned rows. Shapes: indices [R] -> [R, width].
package struct Embedding: Sendable {
    /// The table, for a decoder that shares it.
    package let table: ParameterIndex

    package init(count: Int, width: Int, name: String, in layout: inout ParameterLayout) {
        table = layout.add(
            "\(name).weight", [count, width], .normal(deviation: 0.02), decays: true)
    }

    package func callAsFunction(_ indices: [Int32], _ context: ForwardContext) -> Variable {
        context.tape.embedding(table: context(table), indices: indices)
    }
}
