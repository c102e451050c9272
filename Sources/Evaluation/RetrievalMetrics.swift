// SPDX-License-Identifier: Apache-2.0
import Objectives
import Primitives

/// How well texts find their clips and clips their texts.
///
/// The rank of a query is 1 + the number of other candidates that are at least as similar as its
/// own: ties count against us, so that a model which gives the same vector to everything scores
/// nothing.
/// - Source: the retrieval protocol of CLIP4Clip (Luo et al. 2021, arXiv:2104.08860, section 4.2).
package struct RetrievalMetrics: Equatable, Sendable {
    /// One direction. Shares are 0...1 of the queries.
    package struct Direction: Equatable, Sendable {
        package let recallAt1: Double
        package let recallAt5: Double
        package let recallAt10: Double
        /// The mean of the middle two for an even number of queries; 0 without queries.
        package let medianRank: Double

        /// - Parameter ranks: of each query, from 1.
        package init(ranks: [Int]) {
            func recall(at limit: Int) -> Double {
                guard !ranks.isEmpty else { return 0 }
                return Double(ranks.count { $0 <= limit }) / Double(ranks.count)
            }
            recallAt1 = recall(at: 1)
            recallAt5 = recall(at: 5)
            recallAt10 = recall(at: 10)
            let sorted = ranks.sorted()
            let middle = sorted.count / 2
            if sorted.isEmpty {
                medianRank = 0
            } else if sorted.count.isMultiple(of: 2) {
                medianRank = Double(sorted[middle - 1] + sorted[middle]) / 2
            } else {
                medianRank = Double(sorted[middle])
            }
        }
    }

    package let textToVideo: Direction
    package let videoToText: Direction
    /// Clips with both modalities: queries and candidates of both directions.
    package let pairCount: Int
    /// Clips without frames or without text, which take no part.
    package let leftOutCount: Int

    /// - Parameter first: in the place of the text.
    /// - Parameter second: in the place of the video.
    package init(
        _ vectors: [ClipVectors], _ first: ClipView = .text, _ second: ClipView = .video
    ) {
        let pairs = vectors.compactMap { vectors in
            vectors.views[first].flatMap { text in
                vectors.views[second].map { (text: text, video: $0) }
            }
        }
        pairCount = pairs.count
        leftOutCount = vectors.count - pairs.count
        let own = pairs.map { Self.similarity($0.text, $0.video) }
        var textRanks = [Int](repeating: 1, count: pairs.count)
        var videoRanks = textRanks
        for text in pairs.indices {
            for video in pairs.indices where video != text {
                let other = Self.similarity(pairs[text].text, pairs[video].video)
                // Not "other >= own": what is not a number must not look like a hit.
                if !(other < own[text]) { textRanks[text] += 1 }
                if !(other < own[video]) { videoRanks[video] += 1 }
            }
        }
        textToVideo = Direction(ranks: textRanks)
        videoToText = Direction(ranks: videoRanks)
    }

    /// The dot product in double precision, from first to last: equal vectors give equal numbers,
    /// which a blocked matrix product does not promise.
    private static func similarity(_ left: [Float], _ right: [Float]) -> Double {
        precondition(left.count == right.count, "vectors of \(left.count) and \(right.count)")
        var sum = 0.0
        for index in left.indices { sum += Double(left[index]) * Double(right[index]) }
        return sum
    }
}
