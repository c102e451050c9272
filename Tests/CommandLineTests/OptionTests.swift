// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Testing

@testable import accord

/// What is refused before anything is done, and what help and version say.
@Suite struct OptionTests {
    /// The message of what does not parse; nil if it does.
    private func refusal(_ arguments: [String]) -> String? {
        do {
            _ = try AccordCommand.parseAsRoot(arguments)
            return nil
        } catch {
            return ErrorReport(error).text
        }
    }

    /// Of a command, and an option whose path must not be empty.
    @Test(arguments: [
        ("synthesize --clips 10", "--out"), ("launch --config c", "--run"),
        ("launch --run r", "--config"), ("launch --config c --run r", "--init"),
        ("coordinator --config c", "--run"), ("coordinator --run r", "--config"),
        ("coordinator --config c --run r", "--init"),
        ("coordinator --config c --run r", "--keys"), ("worker --coordinator tcp://h:1", "--data"),
        ("worker --coordinator tcp://h:1", "--keys"), ("keygen --workers 1", "--out"),
        ("why", "--run"), ("pause", "--run"), ("resume", "--run"), ("verify", "--run"),
        ("evaluate", "--run"), ("export --out o", "--run"), ("export --run r", "--out"),
        ("encode --inputs i --out o", "--model"), ("encode --model m --out o", "--inputs"),
        ("encode --model m --inputs i", "--out"),
    ])
    func anEmptyPathIsNotTheRoot(_ command: String, _ option: String) {
        let arguments = command.split(separator: " ").map(String.init)

        let refusal = refusal(arguments + [option, ""])

        #expect(refusal?.contains("\(option) is empty; name ") == true, "\(refusal ?? "parsed")")
        #expect(self.refusal(arguments + [option, "."]) == nil)
    }

    private func refusal(listen endpoint: String) -> String? {
        refusal(["coordinator", "--config", "c", "--run", "r", "--listen", endpoint])
    }

    /// libzmq would listen on another port.
    @Test(arguments: [
        "tcp://127.0.0.1:99999", "tcp://127.0.0.1:65536", "tcp://127.0.0.1:-5",
        "tcp://127.0.0.1:7077x", "tcp://127.0.0.1:+7077", "tcp://127.0.0.1:", "tcp://127.0.0.1",
        "tcp://:7077", "tcp://", "tcp://127.0.0.1:70:77", "127.0.0.1:7077",
    ])
    func noCoordinatorListensOnWhatIsNoAddress(_ endpoint: String) {
        #expect(refusal(listen: endpoint)?.contains("--listen looks like tcp://") == true)
    }

    @Test(arguments: ["tcp://127.0.0.1:0", "tcp://0.0.0.0:65535", "tcp://eth0:1", "tcp://*:7077"])
    func whatMayBeAnAddressIsTaken(_ endpoint: String) {
        #expect(refusal(listen: endpoint) == nil)
    }

    /// What a terminal of 80 columns would break is no longer what one can copy.
    @Test(
        arguments: AccordCommand.configuration.subcommands.map {
            $0.configuration.commandName ?? ""
        } + [""])
    func examplesFitATerminal(_ name: String) throws {
        let root = AccordCommand.self
        let command: any ParsableCommand.Type =
            root.configuration.subcommands.first { $0.configuration.commandName == name } ?? root
        let examples = command.configuration.discussion.split(separator: "\n")
            .filter { $0.hasPrefix("  ") }
        let help = root.helpMessage(for: command, columns: 80).split(separator: "\n")

        for example in examples { #expect(help.contains { $0.hasSuffix(example) }, "\(example)") }
    }

    @Test func theVersionIsThatOfTheProtocol() throws {
        let error = try #require(throws: (any Error).self) {
            _ = try AccordCommand.parseAsRoot(["--version"])
        }
        let report = ErrorReport(error)

        #expect(report.isAnswer)
        #expect(report.text.wholeMatch(of: /accord, protocol \d+\n/) != nil)
    }
}
