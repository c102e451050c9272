// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What the system refused.
package struct SharedMemoryFailure: Error, Equatable, Sendable, CustomStringConvertible {
    package let operation: String
    /// errno; 0 when a rule of ours is broken.
    package let code: CInt

    package init(operation: String, code: CInt = 0) {
        self.operation = operation
        self.code = code
    }

    package var description: String {
        code == 0 ? operation : "\(operation): \(String(cString: strerror(code)))"
    }
}
