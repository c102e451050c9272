// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// The files that the checks read: the repository, or a few lines that a test made up.
struct SourceTree: Sendable {
    let files: [SourceFile]

    init(_ files: [SourceFile]) { self.files = files }

    func files(in folder: String = "", endingIn endings: String...) -> [SourceFile] {
        files.filter { file in
            file.path.hasPrefix(folder) && endings.contains { file.path.hasSuffix($0) }
        }
    }

    subscript(path: String) -> SourceFile? { files.first { $0.path == path } }

    /// Whether a file or a folder is there.
    func contains(_ path: String) -> Bool {
        files.contains { $0.path == path || $0.path.hasPrefix(path + "/") }
    }
}

extension SourceTree {
    /// Read once for all checks.
    static let repository: Result<SourceTree, any Error> = Result { try read() }

    private static var root: URL {
        URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
            .deletingLastPathComponent()
            .deletingLastPathComponent()
    }

    /// What git tracks, and what it would track if one added it.
    private static func read() throws -> SourceTree {
        let git = Process()
        let output = Pipe()
        git.executableURL = URL(filePath: "/usr/bin/env")
        git.arguments = [
            "git", "-c", "safe.directory=*", "-C", root.path, "ls-files", "-z", "--cached",
            "--others", "--exclude-standard",
        ]
        git.standardOutput = output
        try git.run()
        let listing = try output.fileHandleForReading.readToEnd() ?? Data()
        git.waitUntilExit()
        guard git.terminationStatus == 0, !listing.isEmpty else {
            throw GitFailed(exitCode: git.terminationStatus)
        }
        let paths = Set(listing.split(separator: 0).map { String(decoding: $0, as: UTF8.self) })
        return SourceTree(
            paths.sorted().compactMap { path in
                // A file that was removed but not yet committed is still listed.
                FileManager.default.contents(atPath: root.appending(path: path).path)
                    .map { SourceFile(path, Array($0)) }
            })
    }

    struct GitFailed: Error { let exitCode: Int32 }
}

/// One file, split once into what its reader sees.
struct SourceFile: Sendable {
    /// Relative to the repository.
    let path: String
    let byteCount: Int
    let lines: [Substring]
    /// Of Swift and C only; empty for other files.
    let source: SourceText

    init(_ path: String, _ bytes: [UInt8]) {
        self.path = path
        byteCount = bytes.count
        lines = String(decoding: bytes, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false)
        switch path.split(separator: ".").last {
        case "swift": source = SourceText(bytes, .swift)
        case "c", "h": source = SourceText(bytes, .c)
        default: source = SourceText([], .swift)
        }
    }

    init(_ path: String, _ text: String) { self.init(path, Array(text.utf8)) }

    /// The target that a file below Sources/ belongs to.
    var target: String? {
        let parts = path.split(separator: "/")
        return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
    }

    func violation(_ lineIndex: Int, _ message: String) -> Violation {
        Violation(path: path, line: lineIndex + 1, message: message)
    }
}

/// A broken rule, in the form that editors understand: path:line: message.
struct Violation: Equatable, CustomStringConvertible {
    let path: String
    let line: Int
    let message: String

    var description: String { "\(path):\(line): \(message)" }
}

/// One rule of the house that a machine can see.
struct TidyCheck: Sendable, CustomTestStringConvertible {
    let rule: String
    let violations: @Sendable (SourceTree) -> [Violation]

    init(_ rule: String, _ violations: @escaping @Sendable (SourceTree) -> [Violation]) {
        self.rule = rule
        self.violations = violations
    }

    var testDescription: String { rule }
}
