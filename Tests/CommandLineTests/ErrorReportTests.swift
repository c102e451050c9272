// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Primitives
import Testing

@testable import accord

@Suite struct ErrorReportTests {
    private func report(_ arguments: [String]) throws -> ErrorReport {
        let error = try #require(throws: (any Error).self) {
            _ = try AccordCommand.parseAsRoot(arguments)
        }
        return ErrorReport(error)
    }

    @Test(arguments: ExitReason.allCases)
    func aFailureEndsWithItsCodeAndOneMessage(_ reason: ExitReason) {
        let report = ErrorReport(ExitFailure(reason, "the disk is full; make room"))

        #expect(report.exitCode == reason.rawValue)
        #expect(report.text == "error: the disk is full; make room\n")
        #expect(!report.isAnswer)
    }

    @Test func whatNobodyExpectedIsAFaultOfOurs() {
        struct Odd: Error {}

        let report = ErrorReport(Odd())

        #expect(report.exitCode == 75)
        #expect(report.text.hasPrefix("error: Odd()\n"))
    }

    @Test(arguments: [
        ["launch", "--run", "r"], ["launch", "--config", "c", "--run", "r", "--wrokers", "2"],
        ["launch", "--config", "c", "--run", "r", "--workers", "many"],
        ["launch", "--config", "c", "--run", "r", "--workers", "0"],
        ["launch", "--config", "c", "--run", "r", "--threads", "0"],
        ["synthesize", "--clips", "9", "--out", "o"],
        ["coordinator", "--config", "c", "--run", "r", "--listen", "127.0.0.1:7077"],
        ["coordinator", "--config", "c", "--run", "r", "--listen", "tcp://127.0.0.1:99999"],
        ["worker", "--coordinator", "tcp://h:1", "--give-up-after", "0"],
        ["worker", "--coordinator", "tcp://h:1", "--threads", "4097"], ["train"], ["simulate"],
        ["simulate", "--seeds", "1", "--seed", "1"], ["simulate", "--seeds", "0"],
        ["simulate", "--seeds", "1", "--from", "18446744073709551615"],
        ["simulate", "--seed", "1", "--threads", "0"],
    ])
    func wrongArgumentsEndWithTheCodeForUsage(_ arguments: [String]) throws {
        let report = try report(arguments)

        #expect(report.exitCode == 64)
        #expect(report.text.hasPrefix("error: "))
        #expect(!report.isAnswer)
    }

    @Test(arguments: [
        (["verify", "--run", "r", "--jsno"], "'--jsno'. Did you mean '--json'?"),
        (
            ["launch", "--config", "c", "--run", "r", "--wrokers", "2"],
            "'--wrokers'. Did you mean '--workers'?"
        ),
    ])
    func aMisspeltOptionIsNamedWithItsNeighbour(_ arguments: [String], _ hint: String) throws {
        let report = try report(arguments)

        #expect(report.text.hasPrefix("error: Unknown option \(hint)"))
    }

    /// ArgumentParser looks for what it does not know only after everything required is there; so
    /// what was meant is named as missing, and the usage says how it is spelt.
    @Test func aMisspeltOptionThatIsRequiredIsNamedAsItShouldBe() throws {
        let report = try report(["verify", "--rnu", "r"])

        #expect(report.exitCode == 64)
        #expect(report.text.hasPrefix("error: Missing expected argument '--run <run>'\n"))
        #expect(report.text.contains("Usage: accord verify --run <run> [--json]"))
    }

    @Test(arguments: [["--help"], ["launch", "--help"], ["help", "worker"]])
    func helpIsAnAnswer(_ arguments: [String]) {
        let report = helpReport(arguments)

        #expect(report?.exitCode == 0)
        #expect(report?.isAnswer == true)
        #expect(report?.text.contains("USAGE: accord") == true)
    }

    /// Help is thrown while parsing, or when the help command runs.
    private func helpReport(_ arguments: [String]) -> ErrorReport? {
        do {
            var command = try AccordCommand.parseAsRoot(arguments)
            try command.run()
            return nil
        } catch {
            return ErrorReport(error)
        }
    }

    @Test func everyCommandIsListedAndExplained() {
        let help = AccordCommand.helpMessage()

        #expect(AccordCommand.configuration.subcommands.count == 14)
        for command in AccordCommand.configuration.subcommands {
            #expect(help.contains("  \(command.configuration.commandName ?? "?") "))
            #expect(!command.configuration.abstract.isEmpty)
        }
    }

    @Test func theDocumentHasEveryExitCode() throws {
        let path = URL(filePath: #filePath).resolvingSymlinksInPath()
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "docs/exit-codes.md")
        let rows = try String(contentsOf: path, encoding: .utf8).split(separator: "\n")
            .filter { $0.hasPrefix("| ") }.dropFirst()
            .map { row in
                row.split(separator: "|").prefix(2)
                    .map { $0.trimmingCharacters(in: CharacterSet(charactersIn: " `")) }
            }

        #expect(rows == ExitReason.allCases.map { ["\($0.rawValue)", "\($0)"] })
    }

    @Test(arguments: [
        (0, "  0.0 %"), (0.005, "  0.5 %"), (0.1234, " 12.3 %"), (0.9996, "100.0 %"),
        (1, "100.0 %"),
    ])
    func sharesAreShownWithOneDigitAndAligned(_ share: Double, _ text: String) {
        #expect(EvaluationReport.percent(share) == text)
    }
}
