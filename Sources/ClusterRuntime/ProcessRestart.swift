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
    /// The options that tell a life how many there were before it.
    package static let rejoinOption = "rejoin-count"
    package static let wrongStateOption = "wrong-state-count"

    /// Restarts before a life, as it is told.
    package struct Counts: Equatable, Sendable {
        /// Since the worker last took part in a step.
        package var rejoins: Int
        /// Because its state was wrong.
        package var wrongStates: Int

        package init(rejoins: Int = 0, wrongStates: Int = 0) {
            self.rejoins = rejoins
            self.wrongStates = wrongStates
        }
    }

    /// What the next life is told; nil = there is none.
    static func next(after reason: ExitReason, hasTakenPart: Bool, _ counts: Counts) -> Counts? {
        let rejoins = hasTakenPart ? 0 : counts.rejoins
        switch reason {
        case .evicted where rejoins < restartsMax:
            return Counts(rejoins: rejoins + 1, wrongStates: counts.wrongStates)
        case .diverged where counts.wrongStates < restartsMax:
            return Counts(rejoins: rejoins, wrongStates: counts.wrongStates + 1)
        default:
            return nil
        }
    }

    /// The arguments of the next life.
    static func arguments(after arguments: [String], _ counts: Counts) -> [String] {
        var next = arguments
        for (option, count) in [
            (rejoinOption, counts.rejoins), (wrongStateOption, counts.wrongStates),
        ] {
            if let place = next.firstIndex(of: "--\(option)"), place + 1 < next.count {
                next.removeSubrange(place...place + 1)
            }
            if count > 0 { next += ["--\(option)", "\(count)"] }
        }
        return next
    }

    /// Returns only if the system refuses.
    static func perform(_ counts: Counts) -> ExitFailure {
        // Signals that this life has blocked stay blocked in the next.
        var none = sigset_t()
        sigemptyset(&none)
        sigprocmask(SIG_SETMASK, &none, nil)
        let next = arguments(after: CommandLine.arguments, counts)
        var pointers = next.map { strdup($0) } + [nil]
        execv("/proc/self/exe", &pointers)
        return ExitFailure(
            .evicted, "evicted, and cannot start again: \(String(cString: strerror(errno)))")
    }
}
