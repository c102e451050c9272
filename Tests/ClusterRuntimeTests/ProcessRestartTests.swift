// SPDX-License-Identifier: Apache-2.0
import Primitives
import Testing

@testable import ClusterRuntime

@Suite struct ProcessRestartTests {
    @Test func theNextLifeHasTheSameArgumentsAndItsNumber() {
        let first = ["accord", "worker", "--coordinator", "tcp://127.0.0.1:7", "--threads", "2"]

        let second = ProcessRestart.arguments(after: first, count: 1)
        let third = ProcessRestart.arguments(after: second, count: 2)

        #expect(second == first + ["--rejoin-count", "1"])
        #expect(third == first + ["--rejoin-count", "2"])
    }

    /// The lives of a process that always ends alike.
    private static func lives(_ reason: ExitReason, hasTakenPart: Bool) -> Int {
        var (count, lives) = (0, 1)
        while lives < 100,
            let next = ProcessRestart.nextCount(
                after: reason, hasTakenPart: hasTakenPart, count: count)
        {
            count = next
            lives += 1
        }
        return lives
    }

    /// Bad memory lets a worker take part, for a while, again and again.
    @Test func whoseStateIsWrongAgainAndAgainEndsThoughItHasTakenPart() {
        #expect(Self.lives(.evicted, hasTakenPart: true) == 100)
        #expect(Self.lives(.evicted, hasTakenPart: false) == 6)
        #expect(Self.lives(.diverged, hasTakenPart: true) == 6)
        #expect(Self.lives(.diverged, hasTakenPart: false) == 6)
        #expect(Self.lives(.rejected, hasTakenPart: false) == 1)
    }
}
