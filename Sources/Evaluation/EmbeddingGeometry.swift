// SPDX-License-Identifier: Apache-2.0
import Foundation
import Objectives

/// How close partners are, and how evenly the vectors of a view are spread over the sphere.
///
/// ```
/// alignment  = mean |t_i - v_i|²                      0 is best
/// uniformity = log mean exp(-2 |x_i - x_j|²), i < j   lower is more even, -4 is the least
/// ```
/// - Source: Wang and Isola 2020, arXiv:2005.10242, equations 1 and 2.
package struct EmbeddingGeometry: Equatable, Sendable {
    package let alignment: Double
    package let textUniformity: Double
    package let videoUniformity: Double

    /// Nil with less than two clips that have both modalities.
    package init?(_ vectors: [ClipVectors]) {
        let pairs = vectors.compactMap { clip in
            clip.text.flatMap { text in clip.video.map { (text: text, video: $0) } }
        }
        guard pairs.count > 1 else { return nil }
        alignment =
            pairs.reduce(0) { $0 + Self.squaredDistance($1.text, $1.video) } / Double(pairs.count)
        textUniformity = Self.uniformity(pairs.map(\.text))
        videoUniformity = Self.uniformity(pairs.map(\.video))
    }

    private static func uniformity(_ vectors: [[Float]]) -> Double {
        var sum = 0.0
        for left in vectors.indices {
            for right in 0..<left {
                sum += exp(-2 * squaredDistance(vectors[left], vectors[right]))
            }
        }
        return log(sum / Double(vectors.count * (vectors.count - 1) / 2))
    }

    private static func squaredDistance(_ left: [Float], _ right: [Float]) -> Double {
        var sum = 0.0
        for index in left.indices {
            let difference = Double(left[index]) - Double(right[index])
            sum += difference * difference
        }
        return sum
    }
}
