// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Primitives

/// How a command that did not succeed ends: one message and a code of docs/exit-codes.md.
struct ErrorReport: Equatable {
    let text: String
    let exitCode: Int32
    /// Help and version were asked for, so they are an answer and no complaint.
    let isAnswer: Bool

    init(_ error: any Error) {
        if let failure = error as? ExitFailure {
            self.init("error: \(failure.message)", failure.reason.rawValue)
            return
        }
        let parsed = AccordCommand.exitCode(for: error)
        switch parsed {
        case .success:
            self.init(AccordCommand.fullMessage(for: error), parsed.rawValue, isAnswer: true)
        case .validationFailure:
            self.init(Self.usageText(of: error), ExitReason.usage.rawValue)
        default:
            self.init(
                "error: \(error)\nThis is a fault of accord itself; please report it.",
                ExitReason.internalError.rawValue)
        }
    }

    /// In the form of all other errors; ArgumentParser writes its own with a capital.
    private static func usageText(of error: any Error) -> String {
        let text = AccordCommand.fullMessage(for: error)
        let prefix = "Error: "
        return text.hasPrefix(prefix) ? "error: \(text.dropFirst(prefix.count))" : text
    }

    private init(_ text: String, _ exitCode: Int32, isAnswer: Bool = false) {
        self.text = text.isEmpty ? "" : text + "\n"
        self.exitCode = exitCode
        self.isAnswer = isAnswer
    }

    func show() { isAnswer ? Terminal.say(text) : Terminal.complain(text) }
}
