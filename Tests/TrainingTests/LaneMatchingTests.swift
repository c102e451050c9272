// SPDX-License-Identifier: Apache-2.0
import Models
import Objectives
import Primitives
import Tensors
import Testing

@testable import Training

@Suite struct LaneMatchingTests {
    private let arena = Arena()
    /// Rows 4 and 7 are of one clip.
    private let rows = LaneMatching.Rows(rows: [2, 4, 5, 7], clipIndices: [20, 40, 50, 40])

    private func similarities(_ values: [Float]) -> Tensor {
        let tensor = arena.allocate([4, 4])
        for (index, value) in values.enumerated() { tensor.data[index] = value }
        return tensor
    }

    private func generator(_ seed: UInt64) -> SeededGenerator {
        SeededGenerator(seed: seed, purpose: .testing)
    }

    @Test func hardNegativesAreOfOtherClips() {
        let matching = LaneMatching(negatives: .hard, temperature: 0.5)
        for seed in 0..<50 as Range<UInt64> {
            var generator = generator(seed)
            let pairs = matching.pairs(
                rows, similarities([Float](repeating: 0.1, count: 16)), &generator)

            #expect(pairs.count == 12)
            for (place, row) in rows.rows.enumerated() {
                let own = Array(pairs[3 * place..<3 * place + 3])
                #expect(own[0] == .init(text: row, clip: row, target: 1))
                #expect(own[1].text == row && own[2].clip == row)
                let others = [own[1].clip, own[2].text].compactMap(rows.rows.firstIndex)
                #expect(others.count == 2)
                for other in others {
                    #expect(rows.clipIndices[other] != rows.clipIndices[place])
                }
                #expect(own[1].target == 0 && own[2].target == 0)
            }
        }
    }

    /// Clip 5 is far more similar to text 2 than the rest; at a low temperature it is always it.
    @Test func theMostSimilarIsDrawnAtALowTemperature() {
        var values = [Float](repeating: 0, count: 16)
        values[2] = 1
        let matching = LaneMatching(negatives: .hard, temperature: 0.02)
        for seed in 0..<20 as Range<UInt64> {
            var generator = generator(seed)
            let pairs = matching.pairs(rows, similarities(values), &generator)
            #expect(pairs[1] == .init(text: 2, clip: 5, target: 0))
        }
    }

    /// ALBEF's multinomial ends the process here.
    @Test(arguments: [.nan, .infinity, -.infinity] as [Float])
    func similaritiesThatAreNotFiniteChooseAnyOther(_ odd: Float) {
        var generator = generator(1)
        let pairs = LaneMatching(negatives: .hard, temperature: 0.07)
            .pairs(rows, similarities([Float](repeating: odd, count: 16)), &generator)

        #expect(pairs.count == 12)
        #expect(pairs.allSatisfy { rows.rows.contains($0.text) && rows.rows.contains($0.clip) })
    }

    @Test func halfOfTheRowsAreReplaced() {
        let matching = LaneMatching(negatives: .random, temperature: 0.07)
        var replacedCount = 0
        for seed in 0..<500 as Range<UInt64> {
            var generator = generator(seed)
            let pairs = matching.pairs(rows, nil, &generator)
            #expect(pairs.map(\.text) == rows.rows)
            for pair in pairs {
                let (text, clip) = (
                    rows.rows.firstIndex(of: pair.text), rows.rows.firstIndex(of: pair.clip)
                )
                guard let text, let clip else { continue }
                let isOwn = rows.clipIndices[text] == rows.clipIndices[clip]
                #expect((pair.target == 1) == isOwn)
                replacedCount += isOwn ? 0 : 1
            }
        }
        // 2000 throws: five standard deviations are 112.
        #expect(abs(replacedCount - 1000) < 112)
    }

    @Test func aLaneOfOneClipHasNothingToConfuseItWith() {
        let lone = LaneMatching.Rows(rows: [0, 1], clipIndices: [3, 3])
        for negatives in MatchingNegatives.allCases {
            var generator = generator(1)
            let tensor = arena.allocateZeroed([2, 2])
            #expect(
                LaneMatching(negatives: negatives, temperature: 1)
                    .pairs(lone, tensor, &generator).isEmpty)
        }
    }

    /// The defect of domain.md 3.5: no other loss sees a mismatched pair, so switching matching on
    /// changes no bit of what they tell.
    @Test(arguments: MatchingNegatives.allCases)
    func otherLossesDoNotSeeMismatchedPairs(_ negatives: MatchingNegatives) {
        func report(matchingWeight: Float) -> LaneReport {
            var run = TinyRun(laneCount: 1, microbatchSize: 6)
            run.configuration.objectives.matchingWeight = matchingWeight
            run.configuration.objectives.matchingNegatives = negatives
            let replica = run.replica()
            replica.randomiseParameters(seed: 4)
            return replica.computation().gradient(
                of: run.microbatch(step: Step(1), lane: 0)
            ).report
        }
        var with = report(matchingWeight: 1)
        let without = report(matchingWeight: 0)

        #expect(with.matching.count > 0 && with.matching.sum > 0)
        with.matching = without.matching
        #expect(with == without)
    }
}
