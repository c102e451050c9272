// SPDX-License-Identifier: Apache-2.0
import Evaluation
import Foundation
import Testing

@Suite struct EmbeddingGeometryTests {
    private static func clip(_ text: [Float]?, _ video: [Float]?) -> ClipVectors {
        ClipVectors(clipIndex: 0, text: text, video: video)
    }

    @Test func threeClipsByHand() throws {
        let geometry = try #require(
            EmbeddingGeometry([
                Self.clip([1, 0], [0, 1]), Self.clip([0, 1], [0, 1]), Self.clip([-1, 0], [0, 1]),
                Self.clip([0, 1], nil), Self.clip(nil, [1, 0]),
            ]))

        // Squared distances: 2, 0, 2 of partners; 2, 4, 2 of texts; 0 of videos.
        #expect(geometry.alignment == 4.0 / 3)
        let expected = log((2 * exp(-4.0) + exp(-8.0)) / 3)
        #expect(abs(geometry.textUniformity - expected) < 1e-14)
        #expect(geometry.videoUniformity == 0)
    }

    @Test func oneClipHasNone() {
        #expect(EmbeddingGeometry([Self.clip([1], [1]), Self.clip([1], nil)]) == nil)
    }
}
