// SPDX-License-Identifier: Apache-2.0
import Testing

/// The checks themselves: each is seen to fail, at the right line and nowhere else.
@Suite struct TidyCheckTests {
    @Test(arguments: Offence.all)
    func aCheckSeesItsOffence(_ offence: Offence) {
        let places = offence.check.violations(offence.tree).map { "\($0.path):\($0.line)" }

        #expect(places.sorted() == offence.places)
    }

    @Test func everyCheckHasAnOffence() {
        #expect(Set(Offence.all.map(\.check.rule)) == Set(TidyTests.checks.map(\.rule)))
    }

    @Test func aViolationReadsLikeACompilersError() {
        let violation = SourceFile("a/B.swift", "x").violation(2, "too long")

        #expect(violation.description == "a/B.swift:3: too long")
    }

    struct Split: Sendable, CustomTestStringConvertible {
        let text: String
        let code: String
        let comments: String

        init(text: String, code: String, comments: String? = nil) {
            self.text = text
            self.code = code
            self.comments = comments ?? String(repeating: " ", count: text.count)
        }

        var testDescription: String { text }
    }

    @Test(arguments: [
        Split(text: "a // b", code: "a     ", comments: "  // b"),
        Split(
            text: "a /* b /* c */ d */ e", code: "a                   e",
            comments: "  /* b /* c */ d */  "),
        Split(text: #"f("// a", b)"#, code: #"f("    ", b)"#),
        Split(text: #"f("\"a\\", b)"#, code: #"f("     ", b)"#),
        Split(
            text: #""a \(b("c", d)) e" f"#, code: #""   (b(" ", d))  " f"#),
        Split(
            text: ##"#"a " \( \#(b) "# c"##, code: ##"#"         (b) "# c"##),
        Split(
            text: #"x = "" + y // "z""#, code: #"x = "" + y       "#,
            comments: #"           // "z""#),
    ])
    func codeCommentsAndTextsAreToldApart(_ split: Split) {
        let source = SourceText(Array(split.text.utf8), .swift)

        #expect(source.code == [Substring(split.code)])
        #expect(source.comments == [Substring(split.comments)])
    }

    @Test func aTextOfSeveralLinesEndsAtItsThreeQuotes() {
        let text = "a(\"\"\"\n  // \"b\"\n  \\(c)\n  \"\"\") // d"

        let source = SourceText(Array(text.utf8), .swift)

        #expect(source.code.joined(separator: "|") == "a(\"\"\"|        |   (c)|  \"\"\")     ")
        #expect(source.comments.last == "       // d")
    }

    @Test(arguments: [
        ("worldSizeMax", ["world", "size", "max"]), ("HTTPPort", ["httpport"]),
        ("a_b2", ["a", "b2"]), ("", []),
    ])
    func namesAreSplitIntoWords(_ name: String, _ words: [String]) {
        #expect(WordingChecks.words(of: name) == words)
    }

    @Test func requirementsOfProtocolsAreNotFunctions() {
        let text = """
            protocol A {
                func f() throws
                    -> Int
                func g()
            }
            struct B {
                init(a: Int = { 1 }()) {
                    self.init()
                }
                func h() where A: B
                { }
                subscript(i: Int) -> Int { 1 }
            }
            """

        let functions = SourceText(Array(text.utf8), .swift).functions

        #expect(functions.map(\.name) == ["init", "h", "subscript"])
        #expect(functions.map(\.lines) == [6...8, 9...10, 11...11])
    }
}
