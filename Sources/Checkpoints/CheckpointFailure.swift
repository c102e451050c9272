// SPDX-License-Identifier: Apache-2.0
import Foundation

/// An operation on the checkpoints of a run that did not succeed.
package struct CheckpointFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// Why: the system said so, or the content breaks a rule.
    package enum Cause: Sendable, Equatable {
        /// An `errno` value.
        case system(Int32)
        case rule(String)
    }

    /// For example "rename" or "verify".
    package let operation: String
    package let path: String
    package let cause: Cause

    package init(operation: String, path: String, cause: Cause) {
        self.operation = operation
        self.path = path
        self.cause = cause
    }

    package init(operation: String, path: String, rule: String) {
        self.init(operation: operation, path: path, cause: .rule(rule))
    }

    package var description: String {
        switch cause {
        case .system(let code): "\(operation) \(path): \(String(cString: strerror(code)))"
        case .rule(let rule): "\(operation) \(path): \(rule)"
        }
    }
}
