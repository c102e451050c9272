// SPDX-License-Identifier: Apache-2.0
import Autograd
import Primitives
import Tensors

/// One forward pass: a tape, the parameter vector it reads and the gradient vector it adds to.
package struct ForwardContext {
    package let tape: Tape
    private let layout: ParameterLayout
    private let parameters: LaneParameters
    private let gradients: FloatVector?

    /// - Parameter gradients: nil for a pass that is not differentiated (the key encoder).
    package init(
        tape: Tape, layout: ParameterLayout, parameters: LaneParameters, gradients: FloatVector?
    ) {
        let count = parameters.values.count
        precondition(
            count == layout.elementCount && (gradients?.count ?? count) == count,
            "\(count) parameters for a layout of \(layout.elementCount)")
        self.tape = tape
        self.layout = layout
        self.parameters = parameters
        self.gradients = gradients
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
        let gradient = gradients.map {
            Tensor(data: $0.pointer + entry.offset, shape: entry.shape)
        }
        return tape.parameter(value: value, rounded: rounded, gradient: gradient)
    }
}
