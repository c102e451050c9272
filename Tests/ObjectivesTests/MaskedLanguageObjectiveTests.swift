// SPDX-License-Identifier: Apache-2.0
import Objectives
import Primitives
import Testing

@Suite struct MaskedLanguageObjectiveTests {
    private static let special: Set<Int32> = [0, 1, 2, 3, 4]
    private static let vocabularyCount = 60

    private static func objective(_ probability: Float = 0.15) -> MaskedLanguageObjective {
        MaskedLanguageObjective(
            maskProbability: probability, special: .init(mask: 4, separator: 3, all: special),
            vocabularyCount: vocabularyCount)
    }

    /// [CLS] words [SEP] words [SEP], with an unknown word somewhere.
    private static func texts(_ count: Int, length: Int) -> [[Int32]] {
        var generator = SeededGenerator(seed: 5, purpose: .testing)
        return (0..<count).map { _ in
            var text: [Int32] = [2]
            for _ in 0..<length { text.append(Int32(5 + generator.next(below: 55))) }
            text[length / 2] = 3
            text[length / 3] = 1
            return text + [3]
        }
    }

    private static func mask(
        _ texts: [[Int32]], step: UInt64 = 1, lane: UInt64 = 0
    ) -> MaskedLanguageObjective.MaskedTexts {
        var generator = SeededGenerator(seed: 9, purpose: .tokenMasking, [step, lane])
        return objective().mask(texts, &generator)
    }

    @Test func puttingTheTargetsBackGivesTheTexts() {
        let texts = Self.texts(50, length: 30)

        var masked = Self.mask(texts)

        #expect(masked.texts != texts)
        for chosen in masked.chosen { masked.texts[chosen.text][chosen.position] = chosen.target }
        #expect(masked.texts == texts)
    }

    @Test func noPlaceIsChosenTwiceAndNoneIsSpecial() {
        let texts = Self.texts(50, length: 30)

        let masked = Self.mask(texts)

        #expect(Set(masked.chosen.map { [$0.text, $0.position] }).count == masked.chosen.count)
        #expect(masked.chosen.allSatisfy { !Self.special.contains(texts[$0.text][$0.position]) })
    }

    /// With n candidates the share has deviation sqrt(p (1 - p) / n); five of them are allowed.
    @Test func theRecipeHoldsOnAverage() {
        let texts = Self.texts(800, length: 100)
        let candidates = texts.joined().count { !Self.special.contains($0) }

        let masked = Self.mask(texts)

        func expectShare(_ count: Int, of total: Int, _ share: Double) {
            let deviation = (share * (1 - share) / Double(total)).squareRoot()
            #expect(abs(Double(count) / Double(total) - share) < 5 * deviation)
        }
        let chosen = masked.chosen
        expectShare(chosen.count, of: candidates, 0.15)
        let now = chosen.map { (masked.texts[$0.text][$0.position], $0.target) }
        expectShare(now.count { $0.0 == 4 }, of: chosen.count, 0.8)
        // Of the tenth that is drawn, one in 55 happens to be the token itself.
        expectShare(now.count { $0.0 != 4 && $0.0 != $0.1 }, of: chosen.count, 0.1 * 54 / 55)
        expectShare(now.count { $0.0 == $0.1 }, of: chosen.count, 0.1 + 0.1 / 55)
    }

    @Test func drawnTokensAreAllOrdinaryOnesAndNoneIsSpecial() {
        let masked = Self.mask(Self.texts(800, length: 100))

        let drawn = masked.chosen.map { masked.texts[$0.text][$0.position] }.filter { $0 != 4 }

        #expect(Set(drawn) == Set(5..<Int32(Self.vocabularyCount)))
    }

    @Test func aTextWithOneCandidateAlwaysHasItChosen() {
        let masked = Self.mask([[Int32]](repeating: [2, 33, 3], count: 200))

        #expect(masked.chosen.map(\.text) == Array(0..<200))
        #expect(masked.chosen.allSatisfy { $0.position == 1 && $0.target == 33 })
    }

    @Test func aTextOfSpecialTokensStaysAsItIs() {
        let masked = Self.mask([[2, 3, 1, 3], [], [2, 40, 3]])

        #expect(masked.texts[0] == [2, 3, 1, 3])
        #expect(masked.texts[1].isEmpty)
        #expect(masked.chosen.map(\.text) == [2])
    }

    @Test func stepAndLaneDecideAlone() {
        let texts = Self.texts(20, length: 30)

        #expect(Self.mask(texts, step: 3, lane: 2) == Self.mask(texts, step: 3, lane: 2))
        #expect(Self.mask(texts, step: 3, lane: 2) != Self.mask(texts, step: 3, lane: 1))
        #expect(Self.mask(texts, step: 3, lane: 2) != Self.mask(texts, step: 2, lane: 2))
        #expect(Self.mask(texts, step: 3, lane: 2) != Self.mask(texts, step: 2, lane: 3))
    }
}
