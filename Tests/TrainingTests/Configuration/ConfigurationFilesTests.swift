// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Training

/// The files of configs/ and the table of docs/configuration.md.
@Suite struct ConfigurationFilesTests {
    private static let repository = URL(filePath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    @Test func everyConfigurationOfTheRepositoryIsValid() throws {
        let folder = Self.repository.appending(path: "configs").path
        let names = try FileManager.default.contentsOfDirectory(atPath: folder)
            .filter { $0.hasSuffix(".yaml") }

        #expect(names.count >= 3)
        for name in names { _ = try RunConfiguration(contentsOf: "\(folder)/\(name)") }
    }

    /// The comparison of the two says what alignment brings only if nothing else differs.
    @Test func theDemonstrationsDifferInTheAlignmentAlone() throws {
        let folder = Self.repository.appending(path: "configs").path
        let demo = try RunConfiguration(contentsOf: "\(folder)/demo.yaml")
        let without = try RunConfiguration(contentsOf: "\(folder)/demo-without-alignment.yaml")

        #expect(
            without.differences(from: demo) == ["objectives.alignmentWeight: 1.0 -> 0.0"])
    }

    @Test func theDocumentHasTheTableOfTheFields() throws {
        let path = Self.repository.appending(path: "docs/configuration.md")
        let rows = try String(contentsOf: path, encoding: .utf8).split(separator: "\n")
            .filter { $0.hasPrefix("| `") }.map(String.init)

        #expect(rows == ConfigurationField.all.map(Self.row))
    }

    private static func row(_ field: ConfigurationField) -> String {
        let value = field.text(in: RunConfiguration())
        return "| `\(field.name)` | \(value == "\"\"" ? "must be given" : "`\(value)`") "
            + "| \(field.rule) | \(field.meaning) |"
    }
}
