// SPDX-License-Identifier: Apache-2.0
import Primitives
import Testing

@testable import ClusterRuntime

@Suite struct ProcessRestartTests {
    @Test func theNextLifeHasTheSameArgumentsAndItsNumber() {
        let first = ["accord", "worker", "--coordinator", "tcp://127.0.0.1:7", "--threads", "2"]

        let second = ProcessRestart.arguments(after: first, .init(rejoins: 1))
        let third = ProcessRestart.arguments(after: second, .init(rejoins: 2, wrongStates: 1))
        let fourth = ProcessRestart.arguments(after: third, .init(wrongStates: 2))

        #expect(second == first + ["--rejoin-count", "1"])
        #expect(third == first + ["--rejoin-count", "2", "--wrong-state-count", "1"])
        #expect(fourth == first + ["--wrong-state-count", "2"])
    }

    /// The lives of a process that ends like this, in turn.
    private static func lives(_ reasons: ExitReason..., hasTakenPart: Bool) -> Int {
        var (counts, lives) = (ProcessRestart.Counts(), 1)
        while lives < 100,
            let next = ProcessRestart.next(
                after: reasons[(lives - 1) % reasons.count], hasTakenPart: hasTakenPart, counts)
        {
            counts = next
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
        #expect(Self.lives(.diverged, .evicted, hasTakenPart: true) == 11)
        #expect(Self.lives(.rejected, hasTakenPart: false) == 1)
    }
}
