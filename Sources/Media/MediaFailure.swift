// SPDX-License-Identifier: Apache-2.0

/// Why a video file could not be read or written.
package struct MediaFailure: Error, Equatable, Sendable, CustomStringConvertible {
    package let path: String
    /// For example "open" or "decode".
    package let operation: String
    package let reason: String

    package init(path: String, operation: String, reason: String) {
        self.path = path
        self.operation = operation
        self.reason = reason
    }

    package var description: String { "cannot \(operation) \(path): \(reason)" }
}
