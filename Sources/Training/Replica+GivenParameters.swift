// SPDX-License-Identifier: Apache-2.0
import Primitives
import Tensors

extension Replica {
    /// Replaces the seeded parameters of step 0, of both encoders alike; all else stays at zero.
    ///
    /// - Parameter fill: gets the seeded values and replaces what it likes.
    /// - Precondition: no step was applied.
    package func begin<Failure: Error>(
        _ fill: (FloatVector) throws(Failure) -> Void
    ) throws(Failure) {
        precondition(appliedStep == .initial, "step \(appliedStep) is not the beginning")
        try fill(parameters)
        if configuration.hasKeyEncoder { keyParameters.copy(from: parameters) }
        roundParameters()
    }
}
