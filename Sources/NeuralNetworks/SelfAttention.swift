// SPDX-License-Identifier: Apache-2.0
import Autograd
import Primitives
import Tensors

/// Multi-head self-attention inside each sequence of packed rows.
///
/// Shapes: [R, width] -> [R, width].
/// - Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2.
package struct SelfAttention: Sendable {
    private let query: Linear
    private let key: Linear
    private let value: Linear
    private let output: Linear
    private let headCount: Int

    package init(
        width: Int, headCount: Int, name: String, in layout: inout ParameterLayout
    ) {
        precondition(width.isMultiple(of: headCount), "\(headCount) heads in width \(width)")
        self.headCount = headCount
        func projection(_ part: String) -> Linear {
            Linear(inputWidth: width, outputWidth: width, name: "\(name).\(part)", in: &layout)
        }
        query = projection("query")
        key = projection("key")
        value = projection("value")
        output = projection("output")
    }

    /// `residual` + the attention of x.
    package func callAsFunction(
        _ x: Variable, onto residual: Variable, layout: SequenceLayout, _ context: ForwardContext
    ) -> Variable {
        let mixed = context.tape.attention(
            query: query(x, context, feedsProducts: true),
            key: key(x, context, feedsProducts: true),
            value: value(x, context, feedsProducts: true), layout: layout, headCount: headCount)
        return output(mixed, onto: residual, context)
    }
}
