// SPDX-License-Identifier: Apache-2.0

/// A count of committed optimizer updates.
///
/// The state "at step n" is the state after n updates, so step 0 is the initial state, and while
/// step n is applied the step in flight is n + 1. A skipped step counts.
package struct Step: Hashable, Comparable, Codable, Sendable, CustomStringConvertible {
    package var number: UInt64

    package static let initial = Step(0)

    package init(_ number: UInt64) { self.number = number }

    package var next: Step { Step(number + 1) }

    package static func < (left: Step, right: Step) -> Bool { left.number < right.number }

    package var description: String { String(number) }
}

/// The version of the membership; it stands on every message between members.
package struct Generation: Hashable, Comparable, Codable, Sendable, CustomStringConvertible {
    package var number: UInt64

    /// Before the first membership was announced.
    package static let none = Generation(0)

    package init(_ number: UInt64) { self.number = number }

    package var next: Generation { Generation(number + 1) }

    package static func < (left: Generation, right: Generation) -> Bool {
        left.number < right.number
    }

    package var description: String { String(number) }
}

/// The identity of one process life: random at the start of a worker, never reused.
package struct WorkerID: Hashable, Comparable, Codable, Sendable, CustomStringConvertible {
    package let value: UInt64

    package init(_ value: UInt64) { self.value = value }

    package static func < (left: WorkerID, right: WorkerID) -> Bool { left.value < right.value }

    /// Sixteen hexadecimal digits.
    package var description: String { hexadecimal(value) }
}

/// The identity of one training run, drawn when its run directory is created.
package struct RunID: Hashable, Codable, Sendable, CustomStringConvertible {
    package let value: UInt64

    package init(_ value: UInt64) { self.value = value }

    package var description: String { hexadecimal(value) }
}

private func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}
