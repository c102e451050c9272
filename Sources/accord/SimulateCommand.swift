// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Primitives
import Simulation

struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Run the cluster in virtual time, with faults; one seed is one history.",
        discussion: """
            Real coordinators and workers, with their real sums, in one thread: messages get \
            lost, processes die or stand still, the network splits, the disk is full. Every \
            history must end in the state of one worker without faults.

              accord simulate --seeds 1000   many histories, and how often each fault came
              accord simulate --seed 17      what happens in one of them, line by line
            """)

    @Option(help: "How many seeds to run.")
    var seeds: Int?

    @Option(name: .customLong("from"), help: "The first of them.")
    var firstSeed: UInt64 = 1

    @Option(help: "Show what happens in the run of this seed.")
    var seed: UInt64?

    @Option(help: "Runs at a time (default: the processors).")
    var threads: Int?

    @Flag(help: "JSON for programs.")
    var json = false

    func validate() throws {
        guard (seeds == nil) != (seed == nil) else {
            throw ValidationError("give either --seeds or --seed")
        }
        try require(seeds, of: "--seeds", in: 1...100_000_000)
        try require(threads, of: "--threads", in: 1...4096)
        guard firstSeed <= UInt64.max - UInt64(seeds ?? 0) else {
            throw ValidationError("--from \(firstSeed) leaves no room for \(seeds ?? 0) seeds")
        }
    }

    func run() throws {
        if let seed { try showRun(seed) } else { try sweep(seeds ?? 0) }
    }

    // MARK: - One seed

    private func showRun(_ seed: UInt64) throws {
        if json {
            var trace: [String] = []
            let result = SeedResult(seed: seed) { trace.append($0) }
            try printJSON(RunReport(result, trace))
            try requireWhole(result.violation.map { (seed, $0) })
            return
        }
        print(" seconds  who           what")
        let result = SeedResult(seed: seed) { print($0) }
        print(
            """

            \(result.committedSteps) steps in \(seconds(result.milliseconds)) virtual seconds, \
            \(result.generations) generations,
            \(result.coordinatorLives) lives of the coordinator, \(result.workerLives) of \
            \(result.workerCount) workers;
            \(result.lanes) lanes computed, \(result.lanesWithoutFaults) without faults.
            """)
        printTable(result.faults, all: false)
        try requireWhole(result.violation.map { (seed, $0) })
        print("\nThe history is whole: every state is that of one worker without faults.")
    }

    private func seconds(_ milliseconds: Int) -> String {
        "\(milliseconds / 1000).\(milliseconds / 100 % 10)"
    }

    // MARK: - Many seeds

    private func sweep(_ count: Int) throws {
        let progress = ProgressLine()
        let clock = ContinuousClock()
        let start = clock.now
        let isQuiet = json
        let sweep = SeedSweep(
            seeds: firstSeed..<firstSeed + UInt64(count), threadCount: threads ?? processorCount)
        let summary = sweep.run { done in
            guard !isQuiet, done == count || done.isMultiple(of: max(1, count / 20)) else { return }
            progress.show("\(done) of \(count) histories")
        }
        let elapsed = (clock.now - start) / .seconds(1)
        if json {
            try printJSON(SweepReport(summary, elapsed))
        } else {
            progress.finish()
            show(summary, elapsed)
        }
        try requireWhole(summary.violations.first)
        if !json { print("\nAll histories are whole.") }
    }

    private func show(_ summary: SeedSweep.Summary, _ elapsed: Double) {
        printTable(summary.faults, all: true)
        let rate = Double(summary.runCount) / elapsed
        print(
            """

            \(summary.runCount) histories, \(summary.committedSteps) steps, \
            \(summary.virtualMilliseconds / 3_600_000) virtual hours
            \(format(elapsed)) s, \(format(rate)) histories per second
            """)
        if let longest = summary.longest {
            print(
                "at most \(seconds(longest.milliseconds)) virtual seconds from the end of all "
                    + "faults to the end (seed \(longest.seed))")
        }
        for (seed, text) in summary.violations { print("seed \(seed): \(text)") }
    }

    private func format(_ number: Double) -> String {
        String(format: "%.1f", number)
    }

    private func printTable(_ faults: FaultCounts, all: Bool) {
        print("\nfault                      count")
        for kind in FaultKind.allCases where all || faults[kind] > 0 {
            let name = kind.rawValue.padding(toLength: 24, withPad: " ", startingAt: 0)
            print(name + String(format: "%8d", faults[kind]))
        }
    }

    private func requireWhole(_ violation: (seed: UInt64, text: String)?) throws {
        guard let violation else { return }
        throw ExitFailure(
            .checkFailed,
            "seed \(violation.seed): \(violation.text); "
                + "accord simulate --seed \(violation.seed) shows the way there")
    }
}

/// The answer of `--seeds` for programs.
private struct SweepReport: Encodable {
    struct Violation: Encodable {
        let seed: UInt64
        let text: String
    }

    let histories: Int
    let committedSteps: Int
    let virtualSeconds: Int
    let seconds: Double
    let faults: [String: Int]
    let violations: [Violation]

    init(_ summary: SeedSweep.Summary, _ seconds: Double) {
        histories = summary.runCount
        committedSteps = summary.committedSteps
        virtualSeconds = summary.virtualMilliseconds / 1000
        self.seconds = seconds
        faults = summary.faults.byName
        violations = summary.violations.map { Violation(seed: $0.seed, text: $0.text) }
    }
}

/// The answer of `--seed` for programs.
private struct RunReport: Encodable {
    let seed: UInt64
    let violation: String?
    let committedSteps: Int
    let virtualMilliseconds: Int
    let generations: UInt64
    let faults: [String: Int]
    let trace: [String]

    init(_ result: SeedResult, _ trace: [String]) {
        seed = result.seed
        violation = result.violation
        committedSteps = result.committedSteps
        virtualMilliseconds = result.milliseconds
        generations = result.generations
        faults = result.faults.byName
        self.trace = trace
    }
}

extension FaultCounts {
    fileprivate var byName: [String: Int] {
        Dictionary(uniqueKeysWithValues: FaultKind.allCases.map { ($0.rawValue, self[$0]) })
    }
}
