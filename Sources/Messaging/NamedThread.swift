// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A dedicated thread: blocking calls never run on the cooperative pool.
package final class NamedThread: Sendable {
    private let finished = DispatchSemaphore(value: 0)

    /// Starts at once.
    /// - Parameter name: at most 15 characters are shown by the system.
    package init(_ name: String, _ body: @escaping @Sendable () -> Void) {
        let finished = self.finished
        let thread = Thread {
            // From inside: on Linux a name given before the start does not reach the system.
            Thread.current.name = name
            body()
            finished.signal()
        }
        thread.stackSize = 8 << 20
        thread.start()
    }

    /// Waits for its end; once.
    package func join() { finished.wait() }
}
