// SPDX-License-Identifier: Apache-2.0
import Autograd
import CKernels
import Primitives
import Tensors

/// Takes gradients of parameters, each element once in a backward pass; the memory is only lent.
package typealias ParameterSink = (
    _ parameter: ParameterIndex, _ gradient: Tensor, _ elements: Range<Int>
) -> Void

/// What the backward pass computes again instead of the forward pass keeping it.
package enum Recomputation: String, Sendable, CaseIterable {
    case none
    /// All of every transformer layer but its result.
    case layers
}

/// One forward pass: a tape, the parameters that it reads and where their gradients go.
package struct ForwardContext {
    package private(set) var tape: Tape
    private let recomputation: Recomputation
    private let layout: ParameterLayout
    private let parameters: LaneParameters
    private let sink: ParameterSink?

    /// - Parameter sink: nil for a pass that is not differentiated (the key encoder).
    package init(
        tape: Tape, layout: ParameterLayout, parameters: LaneParameters, sink: ParameterSink?,
        recomputation: Recomputation = .none
    ) {
        precondition(
            parameters.values.count == layout.elementCount,
            "\(parameters.values.count) parameters for a layout of \(layout.elementCount)")
        self.tape = tape
        self.layout = layout
        self.parameters = parameters
        self.sink = sink
        self.recomputation = recomputation
    }

    /// A layer, whose inner values are kept or computed again. Shapes: x -> the same.
    func layer(
        _ x: Variable, _ body: @escaping (Variable, ForwardContext) -> Variable
    ) -> Variable {
        guard recomputation == .layers else { return body(x, self) }
        return tape.recomputed(x) { [self] tape, x in
            var inner = self
            inner.tape = tape
            return body(x, inner)
        }
    }

    /// - Parameter gradients: laid out like the parameters; gradients are added to it.
    package init(
        tape: Tape, layout: ParameterLayout, parameters: LaneParameters, gradients: FloatVector?
    ) {
        self.init(
            tape: tape, layout: layout, parameters: parameters,
            sink: gradients.map { gradients in
                { parameter, gradient, elements in
                    let start = layout[parameter].offset + elements.lowerBound
                    accord_add(gradients.pointer + start, gradient.data, elements.count)
                }
            })
    }

    /// In f32.
    package init(
        tape: Tape, layout: ParameterLayout, parameters: FloatVector, gradients: FloatVector?
    ) {
        self.init(
            tape: tape, layout: layout, parameters: LaneParameters(parameters),
            gradients: gradients)
    }

    /// The parameter as a leaf of the tape.
    package func callAsFunction(_ parameter: ParameterIndex) -> Variable {
        let entry = layout[parameter]
        let value = Tensor(data: parameters.values.pointer + entry.offset, shape: entry.shape)
        let rounded = parameters.rounded.map {
            BFloatTensor(data: $0.pointer + entry.offset, shape: entry.shape)
        }
        let sink = sink.map { sink in
            { (gradient: Tensor, elements: Range<Int>) in sink(parameter, gradient, elements) }
        }
        return tape.parameter(value: value, rounded: rounded, sink: sink)
    }
}
