// SPDX-License-Identifier: Apache-2.0
import Autograd
import Tensors

/// One forward pass: a tape, the parameter vector it reads and the gradient vector it adds to.
package struct ForwardContext {
    package let tape: Tape
    private let layout: ParameterLayout
    private let parameters: FloatVector
    private let gradients: FloatVector?

    /// - Parameter gradients: nil for a pass that is not differentiated (the key encoder).
    package init(
        tape: Tape, layout: ParameterLayout, parameters: FloatVector, gradients: FloatVector?
    ) {
        precondition(
            parameters.count == layout.elementCount
                && (gradients?.count ?? parameters.count) == parameters.count,
            "\(parameters.count) parameters for a layout of \(layout.elementCount)")
        self.tape = tape
        self.layout = layout
        self.parameters = parameters
        self.gradients = gradients
    }

    /// The parameter as a leaf of the tape.
    package func callAsFunction(_ parameter: ParameterIndex) -> Variable {
        let entry = layout[parameter]
        let value = Tensor(data: parameters.pointer + entry.offset, shape: entry.shape)
        let gradient = gradients.map {
            Tensor(data: $0.pointer + entry.offset, shape: entry.shape)
        }
        return tape.parameter(value: value, gradient: gradient)
    }
}
