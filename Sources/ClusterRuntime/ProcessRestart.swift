// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives

/// Lets a worker that was evicted come back as a new one: the same program with the same arguments
/// in place of this process. Nothing of the old life is left over, and whoever watches the process
/// sees it go on.
package enum ProcessRestart {
    /// A worker that is evicted again and again without a step in between ends for good; so does
    /// one whose state was wrong so many times, however many steps it has taken part in meanwhile:
    /// with bad memory it would come back for ever.
    private static let restartsMax = 5
    /// The option that tells a life how many there were before it.
    package static let countOption = "rejoin-count"

    /// Which restart the next life begins with; nil = there is none.
    ///
    /// - Parameter count: of restarts before this life, as it was told.
    static func nextCount(after reason: ExitReason, hasTakenPart: Bool, count: Int) -> Int? {
        guard reason == .evicted || reason == .diverged else { return nil }
        let previous = hasTakenPart && reason == .evicted ? 0 : count
        return previous < restartsMax ? previous + 1 : nil
    }

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
