// SPDX-License-Identifier: Apache-2.0
import Primitives
import Tensors

/// Three embeddings, a hidden layer, one output; a few hundred parameters in six tensors.
///
/// ```
/// x = mean of the embeddings of a clip's three tokens          [D]
/// h = leaky ReLU(W x + b)                                      [D]
/// y = u h + c + r[clip] x, the last for every eleventh clip
/// loss = (y - target)^2 / 2 + 0.01 x mean of h k over keys k of the bank that are of other clips
/// ```
/// Targets of some clips are large, and r is seldom touched, so that second attempts come by
/// themselves.
struct TinyNetwork: Sendable {
    static let width = 8
    private static let tokenCount = 24
    private static let rareCount = 4
    private static let bankWeight: Float = 0.01

    private let embedding: Range<Int>
    private let hidden: Range<Int>
    private let hiddenBias: Range<Int>
    private let output: Range<Int>
    private let outputBias: Range<Int>
    private let rare: Range<Int>

    init(_ layout: inout ParameterLayout) {
        func add(_ name: String, _ shape: [Int], _ deviation: Float) -> Range<Int> {
            let index = layout.add(
                name, shape, deviation == 0 ? .zeros : .normal(deviation: deviation),
                decays: shape.count > 1)
            return layout[index].range
        }
        embedding = add("embedding", [Self.tokenCount, Self.width], 0.5)
        hidden = add("hidden", [Self.width, Self.width], 0.4)
        hiddenBias = add("hidden bias", [Self.width], 0)
        output = add("output", [Self.width], 0.4)
        outputBias = add("output bias", [1], 0)
        rare = add("rare", [Self.rareCount, Self.width], 0)
    }

    /// Where the element lies to which a gradient that is no number is given.
    var outputBiasPlace: Int { outputBias.lowerBound }

    private func tokens(_ clip: Int) -> [Int] {
        // The third one leaves most rows to few clips.
        [clip % 5, (clip * 7 + clip / 3) % Self.tokenCount, clip * clip % Self.tokenCount]
    }

    private func target(_ clip: Int) -> Float {
        let base = Float(clip * 29 % 17) / 8 - 1
        return clip % 23 == 7 ? 64 * base : base
    }

    private func rareRow(_ clip: Int) -> Int? {
        clip % 11 == 3 ? rare.lowerBound + clip % Self.rareCount * Self.width : nil
    }

    private func input(_ clip: Int, _ parameters: UnsafePointer<Float>) -> [Float] {
        var x = [Float](repeating: 0, count: Self.width)  // [D]
        for token in tokens(clip) {
            let row = parameters + embedding.lowerBound + token * Self.width
            for place in 0..<Self.width { x[place] += row[place] / 3 }
        }
        return x
    }

    /// Before the ReLU. Shapes: x [D] -> [D].
    private func linear(_ x: [Float], _ parameters: UnsafePointer<Float>) -> [Float] {
        (0..<Self.width).map { row in
            let weights = parameters + hidden.lowerBound + row * Self.width
            var sum = parameters[hiddenBias.lowerBound + row]
            for place in 0..<Self.width { sum += weights[place] * x[place] }
            return sum
        }
    }

    private func activate(_ a: [Float]) -> [Float] { a.map { $0 > 0 ? $0 : 0.1 * $0 } }

    /// The hidden vector with norm 1: the clip's key for the bank. Shapes: -> [D].
    func key(_ clip: Int, _ parameters: UnsafePointer<Float>) -> [Float] {
        let h = activate(linear(input(clip, parameters), parameters))
        let norm = h.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return norm > 0 ? h.map { $0 / norm } : h
    }

    /// Adds weight times the gradient of a clip's loss.
    ///
    /// - Parameter negatives: the mean key of other clips, [D].
    /// - Returns: the loss without the part of the bank.
    func addGradient(
        of clip: Int, _ parameters: UnsafePointer<Float>, negatives: [Float], weight: Float,
        to gradient: inout [Float]
    ) -> Float {
        let x = input(clip, parameters)
        let a = linear(x, parameters)
        let h = activate(a)
        var y = parameters[outputBias.lowerBound]
        for place in 0..<Self.width { y += parameters[output.lowerBound + place] * h[place] }
        if let row = rareRow(clip) {
            for place in 0..<Self.width { y += parameters[row + place] * x[place] }
        }
        let error = y - target(clip)
        let delta = weight * error
        gradient[outputBias.lowerBound] += delta
        var dx = [Float](repeating: 0, count: Self.width)
        if let row = rareRow(clip) {
            for place in 0..<Self.width {
                gradient[row + place] += delta * x[place]
                dx[place] += delta * parameters[row + place]
            }
        }
        for row in 0..<Self.width {
            gradient[output.lowerBound + row] += delta * h[row]
            let dh =
                delta * parameters[output.lowerBound + row]
                + weight * Self.bankWeight * negatives[row]
            let da = a[row] > 0 ? dh : 0.1 * dh
            gradient[hiddenBias.lowerBound + row] += da
            let start = hidden.lowerBound + row * Self.width
            for place in 0..<Self.width {
                gradient[start + place] += da * x[place]
                dx[place] += da * parameters[start + place]
            }
        }
        for token in tokens(clip) {
            let start = embedding.lowerBound + token * Self.width
            for place in 0..<Self.width { gradient[start + place] += dx[place] / 3 }
        }
        return error * error / 2
    }
}
