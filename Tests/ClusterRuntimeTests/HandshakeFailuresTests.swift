// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ClusterRuntime

/// Whether the keys are blamed for a silence.
@Suite struct HandshakeFailuresTests {
    private static func ticks(_ counts: [UInt64], _ failures: inout HandshakeFailures) {
        for count in counts { failures.note(count) }
    }

    @Test func failuresThatGoOnAreTold() {
        var failures = HandshakeFailures()
        #expect(!failures.areFailing)
        for failed in 1...12 as ClosedRange<UInt64> {
            Self.ticks([UInt64](repeating: failed, count: 50), &failures)
            #expect(failures.areFailing)
        }
    }

    /// A coordinator that died in the midst of one, a minute ago.
    @Test func aSingleOneOfLongAgoIsNot() {
        var failures = HandshakeFailures()
        Self.ticks([UInt64](repeating: 1, count: 100), &failures)
        #expect(failures.areFailing)
        Self.ticks([UInt64](repeating: 1, count: 500), &failures)
        #expect(!failures.areFailing)
    }

    @Test func whatWasBeforeAMessageIsForgotten() {
        var failures = HandshakeFailures()
        Self.ticks([1, 2, 2], &failures)
        failures.noteHeard()
        #expect(!failures.areFailing)
        Self.ticks([2, 2], &failures)
        #expect(!failures.areFailing)
        Self.ticks([3], &failures)
        #expect(failures.areFailing)
    }

    @Test func anotherSocketCountsAnew() {
        var failures = HandshakeFailures()
        Self.ticks([4], &failures)
        failures.noteHeard()
        Self.ticks([0, 0], &failures)
        #expect(!failures.areFailing)
        Self.ticks([1], &failures)
        #expect(failures.areFailing)
    }
}
