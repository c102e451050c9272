// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// A temporary folder with synthesised clips and a configuration, shared by the tests of a suite.
struct Workplace: Sendable {
    let directory: URL
    let configuration: URL

    /// 96 training clips, 3 steps per epoch: enough epochs to strike in the middle of a run.
    static let shared: Result<Workplace, any Error> = Result { try make() }

    private static func make() throws -> Workplace {
        let directory = FileManager.default.temporaryDirectory
            .appending(path: "accord-integration-\(ProcessInfo.processInfo.processIdentifier)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let clips = directory.appending(path: "clips")
        let outcome = try AccordProcess.run(
            ["synthesize", "--clips", "120", "--out", clips.path, "--seed", "7"],
            logsIn: directory)
        guard outcome.exitCode == 0 else { throw SetUpFailed(text: outcome.errors) }
        let workplace = Workplace(
            directory: directory, configuration: directory.appending(path: "smoke.yaml"))
        try workplace.writeConfiguration(replacing: [:])
        return workplace
    }

    struct SetUpFailed: Error { let text: String }

    var clips: URL { directory.appending(path: "clips") }

    /// Writes configs/smoke.yaml with the folder of the clips and other lines replaced.
    @discardableResult
    func writeConfiguration(
        replacing lines: [String: String], named name: String = "smoke.yaml"
    ) throws -> URL {
        let source = Self.repository.appending(path: "configs/smoke.yaml")
        var text = try String(contentsOf: source, encoding: .utf8)
        let all = lines.merging(["directory": clips.path]) { own, _ in own }
        for (key, value) in all.sorted(by: { $0.key < $1.key }) {
            let pattern = try Regex("(?m)^(\\s*)\(key):.*$")
            precondition(text.firstMatch(of: pattern) != nil, "smoke.yaml has no \(key)")
            text.replace(pattern) { match in
                let indent = text[match.range].prefix { $0 == " " }
                return "\(indent)\(key): \(value)"
            }
        }
        let target = directory.appending(path: name)
        try text.write(to: target, atomically: true, encoding: .utf8)
        return target
    }

    func newRun() -> URL { directory.appending(path: "run-\(UUID().uuidString)") }

    static var repository: URL {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
    }
}
