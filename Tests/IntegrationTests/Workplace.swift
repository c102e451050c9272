// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// A temporary folder with synthesised clips and a configuration, shared by the tests of a suite.
struct Workplace: Sendable {
    /// Kinds of runs whose bits are compared.
    enum Variant: CaseIterable, Sendable {
        case f32, bf16
        /// In f32, with the keys of all lanes as candidates.
        case gather

        /// Lines of configs/smoke.yaml in place of others.
        fileprivate var lines: [String: String] {
            switch self {
            case .f32, .bf16: ["epochCount": "40\nprecision: \(self)"]
            case .gather: ["epochCount": "40", "capacity": "70\n  candidates: gather"]
            }
        }
    }

    let directory: URL

    func configuration(_ variant: Variant) -> URL {
        directory.appending(path: "smoke-\(variant).yaml")
    }

    /// In f32.
    var configuration: URL { configuration(.f32) }

    /// 90 training clips, 3 steps per epoch, and enough epochs to strike in the middle of a run.
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
        let workplace = Workplace(directory: directory)
        for variant in Variant.allCases {
            try workplace.writeConfiguration(
                replacing: variant.lines,
                named: workplace.configuration(variant).lastPathComponent)
        }
        return workplace
    }

    struct SetUpFailed: Error { let text: String }

    var clips: URL { directory.appending(path: "clips") }

    /// Writes a file of configs/ with the folder of the clips and other lines replaced.
    ///
    /// - Parameter lines: new values by key; the key must be there.
    /// - Parameter keys: new keys by key.
    @discardableResult
    func writeConfiguration(
        from source: String = "smoke.yaml", replacing lines: [String: String],
        renaming keys: [String: String] = [:], named name: String
    ) throws -> URL {
        let path = Self.repository.appending(path: "configs/\(source)")
        var text = try String(contentsOf: path, encoding: .utf8)
        let all = lines.merging(["directory": clips.path]) { own, _ in own }
        for (key, value) in all { text = try Self.replace(key, with: "\(key): \(value)", in: text) }
        for (key, other) in keys { text = try Self.replace(key, with: "\(other): 1", in: text) }
        let target = directory.appending(path: name)
        try text.write(to: target, atomically: true, encoding: .utf8)
        return target
    }

    private static func replace(
        _ key: String, with line: String, in text: String
    ) throws -> String {
        let pattern = try Regex("(?m)^(\\s*)\(key):.*$")
        precondition(text.firstMatch(of: pattern) != nil, "the configuration has no \(key)")
        return text.replacing(pattern) { "\($0.output[1].substring ?? "")\(line)" }
    }

    /// A copy that a test may damage.
    struct ClipFolder {
        let folder: URL

        /// The videos of the training split, in the order of its annotations.
        func videos() throws -> [URL] {
            struct Annotation: Decodable { let id: String }
            let annotations = folder.appending(path: "annotations/unlabeled.json")
            return try JSONDecoder().decode([Annotation].self, from: Data(contentsOf: annotations))
                .map { folder.appending(path: "videos/\($0.id.suffix(3))/\($0.id).mp4") }
        }
    }

    func copyOfClips() throws -> ClipFolder {
        let target = directory.appending(path: "clips-\(UUID())")
        try FileManager.default.copyItem(at: clips, to: target)
        return ClipFolder(folder: target)
    }

    func newRun() -> URL { directory.appending(path: "run-\(UUID().uuidString)") }

    static var repository: URL {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
    }
}
