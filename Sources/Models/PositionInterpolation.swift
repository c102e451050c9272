// SPDX-License-Identifier: Apache-2.0

/// How positions that were learned for a grid of s x s patches serve another grid: each new one is
/// a weighted sum of sixteen old ones, and the class token keeps its own.
///
/// - Source: Keys 1981, "Cubic convolution interpolation", with a = -0.75, half-pixel centres and
///   repeated borders, as torch.nn.functional.interpolate(mode="bicubic", align_corners=False);
///   used by huggingface/transformers `CLIPVisionEmbeddings.interpolate_pos_encoding`.
enum PositionInterpolation {
    /// Shapes: -> [rows x columns + 1, s x s + 1], row-major.
    static func coefficients(from side: Int, toRows rows: Int, columns: Int) -> [Float] {
        let vertical = cubic(from: side, to: rows)
        let horizontal = cubic(from: side, to: columns)
        let width = side * side + 1
        var result = [Float](repeating: 0, count: (rows * columns + 1) * width)
        result[0] = 1
        for row in 0..<rows {
            for column in 0..<columns {
                let start = (1 + row * columns + column) * width + 1
                for (y, weightY) in vertical[row].enumerated() where weightY != 0 {
                    for (x, weightX) in horizontal[column].enumerated() {
                        result[start + y * side + x] = Float(weightY * weightX)
                    }
                }
            }
        }
        return result
    }

    /// Along one direction. Shapes: -> [target][source].
    private static func cubic(from source: Int, to target: Int) -> [[Double]] {
        (0..<target).map { place in
            let centre = (Double(place) + 0.5) * Double(source) / Double(target) - 0.5
            let first = Int(centre.rounded(.down)) - 1
            var weights = [Double](repeating: 0, count: source)
            for tap in first..<first + 4 {
                weights[min(max(tap, 0), source - 1)] += kernel(centre - Double(tap))
            }
            return weights
        }
    }

    private static func kernel(_ distance: Double) -> Double {
        let (a, x) = (-0.75, abs(distance))
        if x <= 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
        if x < 2 { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a }
        return 0
    }
}
