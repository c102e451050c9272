// SPDX-License-Identifier: Apache-2.0
import CZeroMQ
import Foundation

/// A dedicated thread: blocking calls never run on the cooperative pool.
package final class NamedThread: Sendable {
    private let finished = DispatchSemaphore(value: 0)

    package enum Priority: Sendable {
        case usual
        /// Beside a usual thread on the same core it gets a tenth of that one's time. Such a thread
        /// must start none that is to be usual, which would have its priority.
        case background

        /// Of the nice value.
        fileprivate static let backgroundIncrement: CInt = 10
    }

    /// Starts at once.
    /// - Parameter name: at most 15 characters are shown by the system.
    package init(
        _ name: String, _ priority: Priority = .usual, _ body: @escaping @Sendable () -> Void
    ) {
        let finished = self.finished
        let thread = Thread {
            // Not by Thread.name: on Linux that reaches the system by chance, or not at all.
            accord_name_thread(name)
            if priority == .background { accord_make_thread_nice(Priority.backgroundIncrement) }
            body()
            finished.signal()
        }
        thread.stackSize = 8 << 20
        thread.start()
    }

    /// Waits for its end; once.
    package func join() { finished.wait() }
}
