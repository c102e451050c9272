// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What the user reads. Whoever reads it may be gone: that is no error, and writing never traps.
enum Terminal {
    static func say(_ text: String) { write(text, to: STDOUT_FILENO) }

    static func complain(_ text: String) { write(text, to: STDERR_FILENO) }

    private static func write(_ text: String, to descriptor: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Foundation.write(descriptor, $0.baseAddress, $0.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}

/// Progress: one line that is rewritten on a terminal, lines below each other in a file.
struct ProgressLine: Sendable {
    private let isTerminal = isatty(STDOUT_FILENO) == 1

    func show(_ line: String) { Terminal.say(isTerminal ? "\r\u{1B}[K\(line)" : "\(line)\n") }

    /// What follows starts on a line of its own.
    func finish() { if isTerminal { Terminal.say("\n") } }
}
