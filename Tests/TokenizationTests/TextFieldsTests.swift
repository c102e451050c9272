// SPDX-License-Identifier: Apache-2.0
import Testing
import Tokenization

@Suite struct TextFieldsTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let tokens: [Int32]
        let fields: Set<Int>
        let kept: [Int32]
        var testDescription: String { "\(fields.sorted()) of \(tokens)" }
    }

    /// 2 begins, 3 separates.
    static let cases = [
        Case(tokens: [2, 10, 11, 3, 20, 3, 30, 3], fields: [0], kept: [2, 10, 11, 3, 3, 3]),
        Case(tokens: [2, 10, 11, 3, 20, 3, 30, 3], fields: [1, 2], kept: [2, 3, 20, 3, 30, 3]),
        Case(
            tokens: [2, 10, 11, 3, 20, 3, 30, 3], fields: [0, 1, 2],
            kept: [2, 10, 11, 3, 20, 3, 30, 3]),
        Case(tokens: [2, 10, 3, 3, 30, 3], fields: [1], kept: []),
        Case(tokens: [2, 10, 3, 3, 30, 3], fields: [1, 2], kept: [2, 3, 3, 30, 3]),
        Case(tokens: [2, 10, 3, 20, 3, 30, 3], fields: [], kept: []),
        Case(tokens: [2, 10, 3], fields: [0], kept: [2, 10, 3]),
        Case(tokens: [2, 10, 3], fields: [2], kept: []),
        Case(tokens: [3, 10, 3, 20, 3], fields: [1], kept: [3, 3, 20, 3]),
        Case(tokens: [], fields: [0, 1, 2], kept: []),
    ]

    @Test(arguments: cases)
    func otherFieldsAreAsIfEmpty(_ example: Case) {
        #expect(TextFields(example.tokens, separator: 3).keeping(example.fields) == example.kept)
    }
}
