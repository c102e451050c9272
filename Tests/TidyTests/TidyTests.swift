// SPDX-License-Identifier: Apache-2.0
import Testing

/// The test that reads the code: every file of the repository, every rule that a machine can see.
@Suite struct TidyTests {
    static let checks =
        SizeChecks.all + FloorChecks.all + BannedCodeChecks.all + WordingChecks.all
        + DocumentChecks.all

    @Test(arguments: checks)
    func theRepositoryKeeps(_ check: TidyCheck) throws {
        let violations = check.violations(try SourceTree.repository.get())

        #expect(
            violations.isEmpty, "\(violations.map(\.description).joined(separator: "\n"))")
    }

    /// A listing that came back nearly empty would please every check.
    @Test func theRepositoryIsReadAsAWhole() throws {
        let tree = try SourceTree.repository.get()

        for path in [
            "Package.swift", "README.md", "Makefile", "Sources/Primitives/Identifiers.swift",
        ] {
            #expect(tree.contains(path), "\(path)")
        }
        #expect(tree.files(in: "Sources/", endingIn: ".swift").count > 100)
    }
}
