// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Primitives
import Synchronization

/// What came of one seed.
package struct SeedResult: Sendable {
    package let seed: UInt64
    /// The first promise that was broken; nil = none.
    package let violation: String?
    package let faults: FaultCounts
    package let committedSteps: Int
    package let workerCount: Int
    package let generations: UInt64
    package let coordinatorLives: Int
    package let workerLives: Int
    /// Of virtual time.
    package let milliseconds: Int
    /// Of virtual time, from the end of all faults to the end of the run.
    package let healingMilliseconds: Int
    /// Lanes computed, of all workers, and those of the run that has no faults.
    package let lanes: Int
    package let lanesWithoutFaults: Int

    /// Runs a seed from its start to its end.
    ///
    /// - Parameter reader: gets the trace, line by line.
    package init(seed: UInt64, defect: Defect? = nil, reader: ((String) -> Void)? = nil) {
        let scenario = SwarmScenario.scenario(seed)
        let cluster = VirtualCluster(scenario, defect: defect, reader: reader)
        let healTick = scenario.faults.healTick ?? 0
        cluster.run(ticksMax: healTick + SwarmScenario.livenessTicksMax)
        self.seed = seed
        violation = cluster.violation
        faults = cluster.counts.faults
        committedSteps = cluster.committed.count
        workerCount = scenario.workerCount
        generations = cluster.generationCount
        coordinatorLives = cluster.counts.coordinatorLives
        workerLives = cluster.counts.workerLives
        milliseconds = cluster.now
        healingMilliseconds = max(0, cluster.now - healTick * VirtualCluster.tick)
        lanes = cluster.counts.lanes
        lanesWithoutFaults = cluster.reference.laneCount
    }
}

/// Many seeds, on as many threads as are given; each run is one thread's.
package struct SeedSweep: Sendable {
    /// What came of all of them.
    package struct Summary: Sendable {
        package fileprivate(set) var runCount = 0
        package fileprivate(set) var committedSteps = 0
        package fileprivate(set) var virtualMilliseconds = 0
        package fileprivate(set) var faults = FaultCounts()
        /// In the order of the seeds, so that the first is the same for any number of threads.
        package fileprivate(set) var violations: [(seed: UInt64, text: String)] = []
        /// The run that took longest to end once everything had healed.
        package fileprivate(set) var longest: (seed: UInt64, milliseconds: Int)?

        fileprivate mutating func add(_ result: SeedResult) {
            runCount += 1
            committedSteps += result.committedSteps
            virtualMilliseconds += result.milliseconds
            faults += result.faults
            if let text = result.violation { violations.append((result.seed, text)) }
            if result.healingMilliseconds > longest?.milliseconds ?? -1 {
                longest = (result.seed, result.healingMilliseconds)
            }
        }
    }

    /// After so many violations the rest is left out.
    private static let violationsMax = 20

    let seeds: Range<UInt64>
    let threadCount: Int

    package init(seeds: Range<UInt64>, threadCount: Int) {
        self.seeds = seeds
        self.threadCount = threadCount
    }

    /// - Parameter onProgress: gets the number of finished runs, on any thread, one at a time.
    package func run(_ onProgress: @Sendable (Int) -> Void = { _ in }) -> Summary {
        let summary = Mutex(Summary())
        let next = Mutex(seeds.lowerBound)
        let end = seeds.upperBound
        DispatchQueue.concurrentPerform(iterations: threadCount) { _ in
            while true {
                let seed = next.withLock { next in
                    defer { next += next < end ? 1 : 0 }
                    return next
                }
                guard seed < end else { return }
                let result = SeedResult(seed: seed)
                let isEnough = summary.withLock { summary in
                    summary.add(result)
                    onProgress(summary.runCount)
                    return summary.violations.count >= Self.violationsMax
                }
                if isEnough { return }
            }
        }
        return summary.withLock { summary in
            summary.violations.sort { $0.seed < $1.seed }
            return summary
        }
    }
}
