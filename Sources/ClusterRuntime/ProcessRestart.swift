// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives

/// Lets a worker that was evicted come back as a new one: the same program with the same arguments
/// in place of this process. Nothing of the old life is left over, and whoever watches the process
/// sees it go on.
package enum ProcessRestart {
    /// A worker that is evicted again and again without a step in between ends for good.
    static let restartsMax = 5
    /// The option that tells a life how many there were before it.
    package static let countOption = "rejoin-count"

    /// The arguments of the next life.
    static func arguments(after arguments: [String], count: Int) -> [String] {
        var kept = arguments
        if let place = kept.firstIndex(of: "--\(countOption)"), place + 1 < kept.count {
            kept.removeSubrange(place...place + 1)
        }
        return kept + ["--\(countOption)", "\(count)"]
    }

    /// Returns only if the system refuses.
    ///
    /// - Parameter count: of restarts since the worker last took part in a step.
    static func perform(count: Int) -> ExitFailure {
        // Signals that this life has blocked stay blocked in the next.
        var none = sigset_t()
        sigemptyset(&none)
        sigprocmask(SIG_SETMASK, &none, nil)
        let next = arguments(after: CommandLine.arguments, count: count)
        var pointers = next.map { strdup($0) } + [nil]
        execv("/proc/self/exe", &pointers)
        return ExitFailure(
            .evicted, "evicted, and cannot start again: \(String(cString: strerror(errno)))")
    }
}
