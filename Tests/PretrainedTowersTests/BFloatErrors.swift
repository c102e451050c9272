// SPDX-License-Identifier: Apache-2.0
import Foundation

/// How far bf16 is expected to take the outputs and gradients of a tower from its golden
/// (Fixtures/Generators/bfloat_errors.py; docs/numerics.md, "Errors that are rounded again and
/// again").
struct BFloatErrors {
    /// Root mean squares, relative to the golden.
    struct Sizes: Decodable {
        /// Of the error's Euclidean norm.
        let norm: Double
        /// Of the largest error, against the largest element.
        let largest: Double
        /// Of the error's share in the direction of the golden; nil where the golden is zero.
        let factor: Double?
    }

    /// An output or a gradient, by its name in the golden.
    struct Comparison {
        let run: String
        let name: String
        let found: [Float]
        let golden: [Float]
    }

    private struct File: Decodable {
        let runs: [String: [String: Sizes]]
    }

    private let runs: [String: [String: Sizes]]

    init(contentsOf path: String) throws {
        let data = try Data(contentsOf: URL(filePath: path))
        runs = try JSONDecoder().decode(File.self, from: data).runs
    }

    /// Norms are sums over many roundings and come near what is expected; a factor is one number
    /// with a normal distribution.
    private static let multiples = (size: 2.5, factor: 4.0)

    /// Whether the errors of a tensor are no larger than roundings explain.
    ///
    /// - Parameter terms: numbers as large as those that were summed, where the golden is zero.
    /// - Parameter scale: tampers with what was found.
    func explain(_ tensor: Comparison, terms: [Float]? = nil, scale: Float = 1) -> Bool {
        guard let expected = sizes(tensor), tensor.found.count == tensor.golden.count else {
            return false
        }
        let errors = zip(tensor.found, tensor.golden).map { Double(scale * $0) - Double($1) }
        let golden = (terms ?? tensor.golden).map(Double.init)
        let size = Self.multiples.size
        let norm = Self.dot(errors, errors).squareRoot()
        // A NaN is no error that a rounding explains.
        guard norm <= size * expected.norm * Self.dot(golden, golden).squareRoot(),
            Self.largest(errors) <= size * expected.largest * Self.largest(golden)
        else { return false }
        guard let factor = expected.factor else { return true }
        return abs(Self.dot(errors, golden))
            <= Self.multiples.factor * factor * Self.dot(golden, golden)
    }

    /// A factor on a whole tensor that is too much: 25 % for all, 10 % for four of five.
    func excessiveFactor(_ tensor: Comparison) -> Float {
        guard let sizes = sizes(tensor), let factor = sizes.factor else { return .infinity }
        return sizes.norm < 0.03 || factor < 0.0125 ? 1.1 : 1.25
    }

    private func sizes(_ tensor: Comparison) -> Sizes? { runs[tensor.run]?[tensor.name] }

    private static func dot(_ a: [Double], _ b: [Double]) -> Double {
        zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
    }

    private static func largest(_ values: [Double]) -> Double {
        values.reduce(0) { max($0, abs($1)) }
    }
}
