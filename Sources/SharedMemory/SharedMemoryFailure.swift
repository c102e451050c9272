// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives

/// What the system refused.
package struct SharedMemoryFailure: Error, Equatable, Sendable, CustomStringConvertible {
    package let operation: String
    /// errno; 0 when a rule of ours is broken.
    package let code: CInt

    package init(operation: String, code: CInt = 0) {
        self.operation = operation
        self.code = code
    }

    /// Of memory or of descriptors: of what this process may have.
    package var isLack: Bool { [ENOMEM, EMFILE, ENFILE].contains(code) }

    /// - Parameter purpose: what the memory is for.
    package func exitFailure(for purpose: String) -> ExitFailure {
        guard isLack else { return ExitFailure(.internalError, "\(purpose): \(self)") }
        return ExitFailure(
            .memoryLacking,
            "there is no memory for \(purpose): \(self). Raise the limits of this process "
                + "(ulimit -v, ulimit -n), or stop what else runs on this machine")
    }

    package var description: String {
        code == 0 ? operation : "\(operation): \(String(cString: strerror(code)))"
    }
}
