// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// `accord launch`: the command that most users run.
@Suite(.serialized) struct LaunchTests {
    /// As of a user who says nothing about crashes.
    private static let environment = ProcessInfo.processInfo.environment.filter {
        $0.key != "SWIFT_BACKTRACE"
    }

    private func launch(
        _ workplace: Workplace, _ run: URL, workerCount: Int, threadCount: Int
    ) throws -> AccordProcess {
        try AccordProcess(
            [
                "launch", "--config", workplace.configuration.path, "--run", run.path,
                "--workers", "\(workerCount)", "--threads", "\(threadCount)",
            ], logsIn: workplace.directory, environment: Self.environment)
    }

    @Test func itEndsWithTheReferenceHashAndShowsProgress() throws {
        let workplace = try Workplace.shared.get()
        let outcome = try launch(
            workplace, workplace.newRun(), workerCount: 3, threadCount: 2
        ).wait()

        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        #expect(outcome.output.contains("state hash \(try SameBitsTests.reference.get())"))
        #expect(outcome.output.contains("finished: step 120 of 120"))
        let progress = /step \d+\/120  loss \d+\.\d{3}  \d+\.\d clips\/s  \d+ s left  3 workers/
        #expect(outcome.output.firstMatch(of: progress) != nil)
        #expect(outcome.output.split(separator: "\n").allSatisfy { $0.count <= 79 })
    }

    @Test(arguments: [SIGINT, SIGTERM, SIGHUP])
    func interruptedItResumesToTheSameHashOnAnotherNumberOfWorkers(_ signal: Int32) throws {
        let workplace = try Workplace.shared.get()
        let run = workplace.newRun()
        let first = try launch(workplace, run, workerCount: 2, threadCount: 1)
        try Self.waitForStep(10, of: first)
        first.signal(signal)
        let interrupted = try first.wait()

        #expect(interrupted.exitCode == 130)
        #expect(interrupted.errors.contains("the same command resumes"))

        let resumed = try launch(workplace, run, workerCount: 3, threadCount: 1).wait()
        #expect(resumed.exitCode == 0, "\(resumed.errors)")
        #expect(resumed.output.contains("state hash \(try SameBitsTests.reference.get())"))
    }

    @Test func whoeverDiesIsStartedAgain() throws {
        let (launcher, children) = try launchWithChildren(workerCount: 2, step: 10)
        for process in children.values { kill(process, SIGKILL) }
        let outcome = try launcher.wait()

        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        #expect(outcome.output.contains(/worker-\d died \(status 9\); starting it again/))
        #expect(outcome.output.contains("coordinator died (status 9); starting it again"))
        #expect(outcome.output.contains("state hash \(try SameBitsTests.reference.get())"))
    }

    /// A backtracer that hangs would keep the end of a crashed child from being seen.
    @Test func noChildStartsABacktracer() throws {
        let (launcher, children) = try launchWithChildren(workerCount: 1, step: 1)
        for process in children.values {
            let variables = try Self.strings(of: process, "environ").filter {
                $0.hasPrefix("SWIFT_BACKTRACE=")
            }
            #expect(variables == ["SWIFT_BACKTRACE=enable=no"])
        }
        #expect(try launcher.wait().exitCode == 0)
    }

    /// - Returns: when a step is done, with the coordinator and one worker.
    private func launchWithChildren(
        workerCount: Int, step: Int
    ) throws -> (launcher: AccordProcess, children: [String: Int32]) {
        let workplace = try Workplace.shared.get()
        let launcher = try launch(
            workplace, workplace.newRun(), workerCount: workerCount, threadCount: 1)
        try Self.waitForStep(step, of: launcher)
        let children = try Self.children(of: launcher)
        try #require(Set(children.keys) == ["coordinator", "worker"])
        return (launcher, children)
    }

    /// One of each kind, by its command.
    private static func children(of launcher: AccordProcess) throws -> [String: Int32] {
        let all = try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap {
            Int32($0)
        }
        let own = all.filter {
            // The state, and the parent.
            AccordProcess.state(of: $0)?.dropFirst().first == "\(launcher.identifier)"
        }
        let commands = try own.map { process in
            (try #require(try strings(of: process, "cmdline").dropFirst().first), process)
        }
        return Dictionary(commands) { first, _ in first }
    }

    private static func strings(of process: Int32, _ file: String) throws -> [String] {
        let bytes = try #require(
            FileManager.default.contents(atPath: "/proc/\(process)/\(file)"))
        return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func aFinishedRunIsFinishedAtOnce() throws {
        let workplace = try Workplace.shared.get()
        let run = workplace.newRun()
        let first = try launch(workplace, run, workerCount: 2, threadCount: 1).wait()
        let again = try launch(workplace, run, workerCount: 1, threadCount: 1).wait()

        #expect(first.exitCode == 0 && again.exitCode == 0, "\(again.errors)")
        #expect(again.output.contains("the run is complete"), "nobody was started again")
        #expect(again.output.contains("state hash \(try SameBitsTests.reference.get())"))
    }

    /// Beside the run, which does not notice.
    @Test func anEvaluationFollowsARunToItsEnd() throws {
        struct Line: Decodable, Equatable {
            struct Direction: Decodable, Equatable { let medianRank: Double }
            let step: Int
            let textToVideo: Direction
        }
        func evaluate(_ run: URL, _ option: String...) throws -> AccordProcess {
            try AccordProcess(
                ["evaluate", "--run", run.path, "--json"] + option, logsIn: workplace.directory)
        }
        let workplace = try Workplace.shared.get()
        let cluster = try Cluster(workplace, workerCount: 1)
        _ = try cluster.waitForEndpoint()
        let following = try evaluate(cluster.run, "--follow")
        try cluster.addWorkers(1)
        let status = try cluster.finish()
        let outcome = try following.wait()
        let last = try evaluate(cluster.run).wait()

        #expect(status.stateHash == (try SameBitsTests.reference.get()))
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        let lines = try outcome.output.split(separator: "\n").map {
            try JSONDecoder().decode(Line.self, from: Data($0.utf8))
        }
        #expect(lines.map(\.step) == Set(lines.map(\.step)).sorted())
        #expect(lines.count >= 2)
        #expect(lines.last?.step == 120)
        #expect(lines.last == (try JSONDecoder().decode(Line.self, from: Data(last.output.utf8))))
    }

    @Test func aSecondLaunchIsRefusedAndTheFirstGoesOn() throws {
        let workplace = try Workplace.shared.get()
        let run = workplace.newRun()
        let first = try launch(workplace, run, workerCount: 2, threadCount: 1)
        try Self.waitForStep(2, of: first)
        let second = try launch(workplace, run, workerCount: 2, threadCount: 1).wait()

        #expect(second.exitCode == 67)
        #expect(second.errors.contains("another coordinator already runs in \(run.path)"))
        let outcome = try first.wait()
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        #expect(outcome.output.contains("state hash \(try SameBitsTests.reference.get())"))
    }

    static func waitForStep(_ step: Int, of process: AccordProcess) throws {
        let deadline = Date().addingTimeInterval(60)
        while Date() < deadline {
            let steps = process.output.matches(of: /step (\d+)\//).compactMap { Int($0.output.1) }
            if let last = steps.last, last >= step { return }
            _ = poll(nil, 0, 20)
        }
        throw Cluster.Waited(what: "step \(step) of the launch", coordinator: process.errors)
    }
}
