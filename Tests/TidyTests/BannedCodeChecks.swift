// SPDX-License-Identifier: Apache-2.0

/// Code that the house does without, and where.
enum BannedCodeChecks {
    static let all: [TidyCheck] =
        bans.map { ban in
            TidyCheck("no \(ban.pieces[0]): \(ban.reason)") { tree in violations(of: ban, tree) }
        }
        + [
            TidyCheck("unchecked conformances to Sendable are few and proven", uncheckedSendable),
            TidyCheck("comments promise nothing for later", leftovers),
        ]

    enum Scope: Sendable {
        case everywhere, sources, pureTargets, exceptCommandLine, exceptPreconditions

        func contains(_ file: SourceFile) -> Bool {
            switch self {
            case .everywhere: true
            case .sources: file.target != nil
            case .pureTargets:
                file.target.map { FloorChecks.pure.contains($0) || $0 == "Training" } ?? false
            case .exceptPreconditions: file.path != "Sources/Primitives/Precondition.swift"
            case .exceptCommandLine:
                file.target != "accord" && !file.path.hasPrefix("Benchmarks/")
            }
        }
    }

    struct Ban: Sendable {
        /// Pieces of code, each with a whole word in it.
        let pieces: [String]
        let scope: Scope
        let reason: String

        init(_ pieces: String..., in scope: Scope, _ reason: String) {
            self.pieces = pieces
            self.scope = scope
            self.reason = reason
        }
    }

    static let bans: [Ban] = [
        Ban(
            "print(", "debugPrint(", "dump(", in: .exceptCommandLine,
            "only the command line talks to people"),
        Ban("public", "open class", in: .sources, "one package: `package` or tighter"),
        Ban("try!", "as!", in: .everywhere, "a failure is a value"),
        Ban("try?", in: .sources, "an error that is dropped cannot be explained"),
        Ban(
            "fatalError(", in: .exceptPreconditions,
            "operating errors are thrown, broken rules are preconditions"),
        Ban(
            "sleep(", "usleep(", "nanosleep(", "Task.sleep", "Thread.sleep", in: .everywhere,
            "wait for an event, not for a while"),
        Ban("Task.detached", in: .everywhere, "a task has an owner that ends it"),
        Ban("import XCTest", in: .everywhere, "tests are written with Swift Testing"),
        Ban(
            ".random(", ".randomElement(", ".shuffle()", ".shuffled()", in: .sources,
            "draw from a SeededGenerator, so that a run can be repeated"),
        Ban(
            "Date(", "ContinuousClock", "SuspendingClock", "DispatchTime", in: .pureTargets,
            "pure code gets the time as an event"),
        Ban(
            "SystemRandomNumberGenerator", "UUID(", in: .pureTargets,
            "pure code is a function of the seed"),
        Ban(
            "getenv(", "ProcessInfo.processInfo.environment", in: .sources,
            "the configuration decides, not the environment"),
    ]

    private static func violations(of ban: Ban, _ tree: SourceTree) -> [Violation] {
        tree.files(endingIn: ".swift").filter(ban.scope.contains).flatMap { file in
            ban.pieces.filter { isPossible($0, file) }.flatMap { piece in
                file.source.code.enumerated().filter { occurs(piece, $0.element) }.map {
                    file.violation($0.offset, "\(piece) is banned: \(ban.reason)")
                }
            }
        }
    }

    private static func isWord(_ character: Character) -> Bool {
        character.isLetter || character.isNumber || character == "_"
    }

    /// A quick look before the slow one.
    private static func isPossible(_ piece: String, _ file: SourceFile) -> Bool {
        piece.split { !isWord($0) }.allSatisfy { file.source.words.contains(String($0)) }
    }

    /// As whole words; a call of another thing's method of that name does not count.
    private static func occurs(_ piece: String, _ line: Substring) -> Bool {
        line.ranges(of: piece).contains { range in
            let before = line[..<range.lowerBound].last ?? " "
            let after = line[range.upperBound...].first ?? " "
            let starts = piece.first == "." || !(isWord(before) || before == ".")
            let ends = !(isWord(after) && piece.last.map(isWord) ?? false)
            return starts && ends
        }
    }

    /// Adding a line here is a decision; the comment in the file is its proof.
    private static let uncheckedSendableFiles: Set = [
        "Benchmarks/StepBenchmark.swift",
        "Sources/ClusterRuntime/LaneThreads.swift", "Sources/ClusterRuntime/SignalWatch.swift",
        "Sources/Collectives/IntVector.swift", "Sources/Messaging/Gatekeeper.swift",
        "Sources/Messaging/MessagingContext.swift", "Tests/FuzzingTests/FuzzProgram.swift",
        "Sources/Messaging/WakeUp.swift", "Sources/SharedMemory/Mapping.swift",
        "Sources/Tensors/BFloatTensor.swift", "Sources/Tensors/FloatVector.swift",
        "Sources/Training/Replica.swift",
    ]

    private static func uncheckedSendable(_ tree: SourceTree) -> [Violation] {
        let files = tree.files(endingIn: ".swift").filter {
            !$0.source.words.isDisjoint(with: ["unchecked", "nonisolated"])
        }
        return files.flatMap { file in
            file.source.code.enumerated().compactMap { index, line in
                guard line.contains(/@unchecked\s|\bnonisolated\(/) else { return nil }
                guard uncheckedSendableFiles.contains(file.path) else {
                    return file.violation(
                        index, "an unchecked Sendable that the tidy test does not know")
                }
                return hasProof(above: index, file)
                    ? nil
                    : file.violation(index, "no comment \"Sendable: …\" just above proves it")
            }
        }
    }

    private static func hasProof(above lineIndex: Int, _ file: SourceFile) -> Bool {
        for index in stride(from: lineIndex - 1, through: 0, by: -1) {
            let comment = file.source.comments[index].trimming(while: \.isWhitespace)
            guard !comment.isEmpty else { return false }
            if comment.hasPrefix("// Sendable: ") || comment.hasPrefix("// Protected by ") {
                return true
            }
        }
        return false
    }

    private static func leftovers(_ tree: SourceTree) -> [Violation] {
        tree.files(endingIn: ".swift", ".c", ".h").flatMap { file in
            file.source.comments.enumerated().compactMap { index, line in
                line.firstMatch(of: /\b(TODO|FIXME|XXX|HACK)\b/).map {
                    file.violation(index, "\($0.output.1) in a comment; do it, or open an issue")
                }
            }
        }
    }
}
