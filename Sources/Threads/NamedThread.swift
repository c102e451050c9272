// SPDX-License-Identifier: Apache-2.0
import CThreads
import Dispatch
import Foundation
import Primitives

/// A dedicated thread: blocking calls never run on the cooperative pool.
///
/// Foundation's own kind passes over it in silence if the system gives no thread, and whoever waits
/// for that one's work waits for ever. Here the process ends, with a message.
package final class NamedThread: Sendable {
    private static let stackBytes = 8 << 20

    private let finished = DispatchSemaphore(value: 0)

    package enum Priority: Sendable {
        case usual
        /// Beside a usual thread on the same core it gets a tenth of that one's time. Such a thread
        /// must start none that is to be usual, which would have its priority.
        case background

        /// Of the nice value.
        fileprivate static let backgroundIncrement: CInt = 10
    }

    /// What a thread finds when it starts.
    private final class Start: Sendable {
        let work: @Sendable () -> Void

        init(_ work: @escaping @Sendable () -> Void) { self.work = work }
    }

    /// Starts at once.
    /// - Parameter name: at most 15 characters are shown by the system.
    package init(
        _ name: String, _ priority: Priority = .usual, _ body: @escaping @Sendable () -> Void
    ) {
        let start = Start { [finished] in
            accord_name_thread(name)
            if priority == .background { accord_make_thread_nice(Priority.backgroundIncrement) }
            body()
            finished.signal()
        }
        let code = accord_start_thread(
            Self.stackBytes,
            { start in
                Unmanaged<Start>.fromOpaque(start!).takeRetainedValue().work()
                return nil
            }, Unmanaged.passRetained(start).toOpaque())
        guard code == 0 else { Self.endProcess(without: name, code) }
    }

    private static func endProcess(without name: String, _ code: CInt) -> Never {
        let reason = String(cString: strerror(code))
        ExitFailure(
            .memoryLacking,
            "the system gives this process no thread (\(name)): \(reason). Raise its limits of "
                + "memory (ulimit -v) and of processes (ulimit -u)"
        ).endProcess()
    }

    /// Waits for its end; once.
    package func join() { finished.wait() }
}
