// SPDX-License-Identifier: Apache-2.0
import Testing
import WeightFiles

@Suite struct JSONValueTests {
    @Test(arguments: [
        ("{}", JSONValue.object([:])), ("[ ]", .array([])), (" null\n", .null),
        ("[true,false]", .array([.truth(true), .truth(false)])),
        (
            "{\"a\" : [1, -0, 2.5e-3]}",
            .object([
                "a": .array([
                    .number("1"), .number("-0"), .number("2.5e-3"),
                ])
            ])
        ),
        (#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#, .text("\"\\/\u{8}\u{C}\n\r\té😀")),
        ("\"中文\"", .text("中文")),
    ])
    func whatRFC8259AllowsIsRead(_ text: String, _ expected: JSONValue) throws {
        #expect(try JSONValue(parsing: text.utf8) == expected)
    }

    @Test(arguments: [
        ("", 0, "too early"), ("{", 1, "a key"), ("[1", 2, "a comma"), ("[1,]", 3, "a value"),
        ("{\"a\":1,}", 7, "a key"), ("{\"a\" 1}", 5, "a colon"), ("{a:1}", 1, "a key"),
        ("[01]", 2, "a comma"), ("[+1]", 1, "a value"), ("[1.]", 3, "a digit"),
        ("[.5]", 1, "a value"), ("[1e]", 3, "a digit"), ("[-]", 2, "a digit"),
        ("[NaN]", 1, "a value"), ("[nul]", 1, "a value"), ("1 2", 2, "nothing may follow"),
        ("\"a", 2, "too early"), ("\"\u{1}\"", 1, "escaped"), (#""\x""#, 2, "no escape"),
        (#""\u12g4""#, 5, "hexadecimal"), (#""\ud800""#, 7, "surrogate"),
        (#""\udc00\ud800""#, 7, "surrogate"), (#""\ud800\u0041""#, 13, "surrogate"),
        ("{\"a\":1,\"b\":2,\"a\":3}", 13, "\"a\" stands twice"),
        // One letter, or a letter and an accent.
        ("{\"\u{E9}\":1,\"e\u{301}\":2}", 8, "stands twice"),
    ])
    func whatItDoesNotAllowIsRefusedWhereItIs(_ text: String, _ offset: Int, _ rule: String) {
        let fault = #expect(throws: JSONValue.Fault.self) {
            try JSONValue(parsing: text.utf8)
        }
        #expect(fault?.offset == offset, "\(text)")
        #expect(fault?.rule.contains(rule) == true, "\(text): \(fault?.rule ?? "")")
    }

    @Test func invalidUTF8IsRefused() {
        let fault = #expect(throws: JSONValue.Fault.self) {
            try JSONValue(parsing: [0x22, 0xC3, 0x28, 0x22])
        }
        #expect(fault?.rule == "a text must be UTF-8")
    }

    @Test func nestingIsBounded() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        _ = try JSONValue(parsing: nested(JSONValue.depthMax).utf8)
        for depth in [JSONValue.depthMax + 1, 1_000_000] {
            let fault = #expect(throws: JSONValue.Fault.self) {
                try JSONValue(parsing: nested(depth).utf8)
            }
            #expect(fault?.rule.contains("levels of nesting") == true)
        }
    }

    @Test func theNumberOfValuesIsBounded() throws {
        func list(_ count: Int) -> String {
            "[" + [String](repeating: "1", count: count).joined(separator: ",") + "]"
        }
        _ = try JSONValue(parsing: list(JSONValue.valueCountMax - 1).utf8)
        #expect(throws: JSONValue.Fault.self) {
            try JSONValue(parsing: list(JSONValue.valueCountMax).utf8)
        }
    }

    @Test(arguments: [
        ("9223372036854775807", Int.max), ("-1", -1), ("9223372036854775808", nil), ("1.0", nil),
        ("1e3", nil),
    ])
    func onlyWholeNumbersThatFitAreIntegers(_ literal: String, _ expected: Int?) throws {
        #expect(try JSONValue(parsing: literal.utf8).integer == expected)
    }

    @Test func whatIsWrittenIsReadAgain() throws {
        let value = JSONValue.object([
            "b": .array([.number("1"), .null, .truth(true)]), "a": .text("\u{1}\"\\é😀\n"),
            "c": .object([:]),
        ])
        for indentation in [nil, 0] {
            let text = value.encoded(indentation: indentation)
            #expect(try JSONValue(parsing: text.utf8) == value)
        }
        #expect(value.encoded().hasPrefix("{\"a\":"))
    }
}
