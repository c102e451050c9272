// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives

extension ExitFailure {
    /// Ends the process at once, from any thread, for want of what it cannot go on without. To the
    /// other workers of a cluster it is killed.
    package func endProcess() -> Never {
        var text = "error: \(message)\n"
        text.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
        _exit(reason.rawValue)
    }
}
