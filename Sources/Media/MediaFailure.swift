// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Why a video file could not be read or written.
package struct MediaFailure: Error, Equatable, Sendable, CustomStringConvertible {
    package let path: String
    /// For example "open" or "decode".
    package let operation: String
    package let reason: String
    /// The process lacks memory or descriptors, so the file may be good.
    package let isLack: Bool

    package init(path: String, operation: String, reason: String, isLack: Bool = false) {
        self.path = path
        self.operation = operation
        self.reason = reason
        self.isLack = isLack
    }

    /// For a process that must not go on as if the file were bad; nil if it is.
    package var lack: ExitFailure? {
        guard isLack else { return nil }
        return ExitFailure(
            .memoryLacking,
            "\(self). The file may be good, but this process gets too little: raise its limits of "
                + "memory (ulimit -v) and of open files (ulimit -n)")
    }

    package var description: String { "cannot \(operation) \(path): \(reason)" }
}
