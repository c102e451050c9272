// SPDX-License-Identifier: Apache-2.0

/// The standard library's, but with its message in release builds, too: there it traps in silence,
/// and the numbers that broke the rule are what a report of the fault needs.
package func precondition(
    _ condition: Bool, _ message: @autoclosure () -> String, file: StaticString = #fileID,
    line: UInt = #line
) {
    if !condition { fatalError(message(), file: file, line: line) }
}

/// The standard library's, with its message in release builds, too.
package func preconditionFailure(
    _ message: @autoclosure () -> String, file: StaticString = #fileID, line: UInt = #line
) -> Never {
    fatalError(message(), file: file, line: line)
}
