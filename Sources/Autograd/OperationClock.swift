// SPDX-License-Identifier: Apache-2.0

/// How long the operations of tapes take, forwards and backwards, by name; for benchmarks.
///
/// An operation lasts until the next one begins, so that nothing between them is missed.
///
/// Isolation: one lane thread.
package final class OperationClock {
    package struct Time: Sendable {
        package var forward = Duration.zero
        package var backward = Duration.zero
    }

    package private(set) var times: [String: Time] = [:]
    private var begun: (name: String, path: WritableKeyPath<Time, Duration>)?
    /// When it began.
    private var mark = Duration.zero
    private let now: () -> Duration

    /// - Parameter now: the time since any fixed moment.
    package init(now: @escaping () -> Duration) { self.now = now }

    /// What comes now, until the next call, belongs to the operation.
    func begin(_ name: String, _ path: WritableKeyPath<Time, Duration>) {
        end()
        begun = (name, path)
    }

    /// Takes some work out of the operation that it is done in.
    package func measure(_ name: String, _ work: () -> Void) {
        let outer = begun
        begin(name, \.backward)
        work()
        end()
        begun = outer
    }

    /// Ends the last operation.
    package func end() {
        let now = now()
        if let begun { times[begun.name, default: Time()][keyPath: begun.path] += now - mark }
        begun = nil
        mark = now
    }

    package func reset() {
        begun = nil
        times = [:]
    }
}
