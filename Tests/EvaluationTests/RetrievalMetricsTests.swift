// SPDX-License-Identifier: Apache-2.0
import Evaluation
import Primitives
import Testing

@Suite struct RetrievalMetricsTests {
    private static func vectors(_ count: Int, seed: UInt64) -> [ClipVectors] {
        var generator = SeededGenerator(seed: seed, purpose: .testing)
        func unit() -> [Float] {
            let values = (0..<4).map { _ in 2 * generator.nextUnit() - 1 }
            let norm = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return values.map { $0 / norm }
        }
        return (0..<count).map { ClipVectors(clipIndex: $0, text: unit(), video: unit()) }
    }

    /// Oracle: sort all candidates, the own one behind all that are as similar, and look it up.
    private static func ranks(_ queries: [[Float]], _ candidates: [[Float]]) -> [Int] {
        queries.indices.map { query in
            let similarities = candidates.map { candidate in
                zip(queries[query], candidate).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
            }
            let order = candidates.indices.sorted { left, right in
                similarities[left] != similarities[right]
                    ? similarities[left] > similarities[right]
                    : left != query && right == query
            }
            return (order.firstIndex(of: query) ?? -1) + 1
        }
    }

    @Test(arguments: [1, 2, 3, 7, 30, 101])
    func agreesWithSortedLists(count: Int) {
        let vectors = Self.vectors(count, seed: UInt64(count))
        let (texts, videos) = (vectors.compactMap(\.text), vectors.compactMap(\.video))

        let metrics = RetrievalMetrics(vectors)

        for (direction, ranks) in [
            (metrics.textToVideo, Self.ranks(texts, videos)),
            (metrics.videoToText, Self.ranks(videos, texts)),
        ] {
            for (limit, recall) in [
                (1, direction.recallAt1), (5, direction.recallAt5), (10, direction.recallAt10),
            ] {
                #expect(recall == Double(ranks.filter { $0 <= limit }.count) / Double(count))
            }
            let sorted = ranks.sorted()
            let median = Double(sorted[(count - 1) / 2] + sorted[count / 2]) / 2
            #expect(direction.medianRank == median)
        }
        #expect(metrics.pairCount == count && metrics.leftOutCount == 0)
    }

    @Test func theDirectionsAreNotMixedUp() {
        // Both videos like text 1 best; each text likes its own video best.
        let metrics = RetrievalMetrics([
            ClipVectors(clipIndex: 0, text: [1, -0.5], video: [0.6, 0.5]),
            ClipVectors(clipIndex: 1, text: [1, 1], video: [0.2, 0.95]),
        ])

        #expect(metrics.textToVideo.recallAt1 == 1)
        #expect(metrics.videoToText.recallAt1 == 0.5)
        #expect(metrics.videoToText.medianRank == 1.5)
    }

    @Test func aModelThatSaysTheSameOfEverythingIsTheWorst() {
        let same = (0..<20).map { ClipVectors(clipIndex: $0, text: [1, 0], video: [0.6, 0.8]) }

        let metrics = RetrievalMetrics(same)

        #expect(metrics.textToVideo.recallAt10 == 0)
        #expect(metrics.textToVideo.medianRank == 20)
        #expect(metrics.videoToText == metrics.textToVideo)
    }

    @Test func whatIsNotANumberIsNoHit() {
        var vectors = Self.vectors(12, seed: 4)
        vectors[3] = ClipVectors(clipIndex: 3, text: [.nan, 0, 0, 0], video: [.nan, 0, 0, 0])

        let ranksWithout = RetrievalMetrics(vectors.filter { $0.clipIndex != 3 })
        let metrics = RetrievalMetrics(vectors)

        #expect(metrics.textToVideo.recallAt1 <= ranksWithout.textToVideo.recallAt1)
        let worst = RetrievalMetrics(
            (0..<12).map { ClipVectors(clipIndex: $0, text: [.nan], video: [.nan]) })
        #expect(worst.textToVideo.medianRank == 12 && worst.videoToText.recallAt10 == 0)
    }

    @Test func clipsWithoutAModalityAreLeftOutAndCounted() {
        let vectors = Self.vectors(9, seed: 2)
        var mixed = vectors
        mixed.insert(ClipVectors(clipIndex: 90, text: nil, video: vectors[0].video), at: 4)
        mixed.insert(ClipVectors(clipIndex: 91, text: vectors[1].text, video: nil), at: 0)
        mixed.append(ClipVectors(clipIndex: 92, text: nil, video: nil))

        let metrics = RetrievalMetrics(mixed)

        let expected = RetrievalMetrics(vectors)
        #expect(metrics.textToVideo == expected.textToVideo)
        #expect(metrics.videoToText == expected.videoToText)
        #expect(metrics.pairCount == 9 && metrics.leftOutCount == 3)
    }

    @Test func nothingGivesZeros() {
        let metrics = RetrievalMetrics([])

        #expect(metrics.pairCount == 0)
        #expect(metrics.textToVideo.recallAt1 == 0 && metrics.textToVideo.medianRank == 0)
    }
}
