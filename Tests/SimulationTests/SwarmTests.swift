// SPDX-License-Identifier: Apache-2.0
import Hashing
import Primitives
import Testing

@testable import Simulation

/// Histories in which everything goes wrong that can.
@Suite struct SwarmTests {
    /// A share of what `accord simulate` runs by the thousands.
    @Test func allHistoriesAreWholeAndEveryKindOfFaultHappens() {
        let summary = SeedSweep(seeds: 1..<301, threadCount: 2).run()

        #expect(summary.violations.map { "seed \($0.seed): \($0.text)" } == [])
        #expect(summary.runCount == 300)
        for kind in FaultKind.allCases where kind != .exchangeLost {
            #expect(summary.faults[kind] > 0, "\(kind.rawValue)")
        }
        #expect(10 * summary.faults.incidentCount > summary.committedSteps)
    }

    @Test(arguments: [3, 14, 159] as [UInt64])
    func theSameSeedTellsTheSameStory(_ seed: UInt64) {
        func story(_ seed: UInt64) -> Digest {
            var hasher = Hasher256()
            _ = SeedResult(seed: seed) { hasher.update(Array($0.utf8)) }
            return hasher.finish()
        }

        #expect(story(seed) == story(seed))
        #expect(story(seed) != story(seed + 1))
    }

    @Test func theNumberOfThreadsChangesNothing() {
        let one = SeedSweep(seeds: 20..<40, threadCount: 1).run()
        let three = SeedSweep(seeds: 20..<40, threadCount: 3).run()

        #expect(one.runCount == 20)
        #expect(one.faults == three.faults)
        #expect(one.virtualMilliseconds == three.virtualMilliseconds)
    }
}

extension FaultCounts {
    /// Faults that somebody notices by themselves: all but those of single messages and frames.
    fileprivate var incidentCount: Int {
        FaultKind.allCases.filter(\.isIncident).reduce(0) { $0 + self[$1] }
    }
}

extension FaultKind {
    fileprivate var isIncident: Bool {
        switch self {
        case .messageLost, .messageDuplicated, .messageDelayed, .frameLost, .frameDuplicated,
            .frameDelayed, .frameCorrupted, .transferLost, .passageBlocked:
            false
        default: true
        }
    }
}
