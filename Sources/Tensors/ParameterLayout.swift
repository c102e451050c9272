// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Which entry of a `ParameterLayout`.
package struct ParameterIndex: Hashable, Sendable {
    package let index: Int
}

/// Where each parameter tensor lies in the one flat vector of a model.
///
/// Entries start at multiples of 16 floats; the padding stays zero for ever.
package struct ParameterLayout: Sendable {
    package enum Initialization: Sendable, Equatable {
        case zeros
        case ones
        /// Truncated at two deviations.
        /// - Source: BERT, google-research/bert modeling.py `create_initializer`.
        case normal(deviation: Float)
    }

    package struct Entry: Sendable, Equatable {
        package let name: String
        package let shape: [Int]
        package let offset: Int
        package let initialization: Initialization
        /// Whether weight decay applies: true for matrices, false for biases and normalisations.
        package let decays: Bool

        package var count: Int { shape.reduce(1, *) }
        package var range: Range<Int> { offset..<offset + count }
    }

    package private(set) var entries: [Entry] = []
    /// Length of the flat vector, padding included.
    package private(set) var elementCount = 0

    package init() {}

    package mutating func add(
        _ name: String, _ shape: [Int], _ initialization: Initialization, decays: Bool
    ) -> ParameterIndex {
        precondition(!entries.contains { $0.name == name }, "parameter \(name) exists already")
        let entry = Entry(
            name: name, shape: shape, offset: elementCount, initialization: initialization,
            decays: decays)
        entries.append(entry)
        elementCount = (entry.range.upperBound + 15) / 16 * 16
        return ParameterIndex(index: entries.count - 1)
    }

    package subscript(_ parameter: ParameterIndex) -> Entry { entries[parameter.index] }

    /// Initial values, a pure function of the seed and the position of each entry.
    package func initialize(_ vector: FloatVector, seed: UInt64) {
        precondition(vector.count == elementCount, "\(vector.count) elements, not \(elementCount)")
        vector.zero()
        for (index, entry) in entries.enumerated() {
            let values = vector.elements[entry.range]
            switch entry.initialization {
            case .zeros:
                continue
            case .ones:
                for position in values.indices { vector.pointer[position] = 1 }
            case .normal(let deviation):
                var generator = SeededGenerator(
                    seed: seed, purpose: .initialization, [UInt64(index)])
                for position in values.indices {
                    vector.pointer[position] = deviation * Self.truncatedNormal(&generator)
                }
            }
        }
    }

    /// A standard normal number within two deviations, by rejection.
    ///
    /// The polar method needs only logarithm and root; twelve uniform numbers would be cheaper but
    /// have no tails.
    /// - Source: Marsaglia and Bray 1964.
    private static func truncatedNormal(_ generator: inout SeededGenerator) -> Float {
        while true {
            let u = 2 * Double(generator.nextUnit()) - 1
            let v = 2 * Double(generator.nextUnit()) - 1
            let s = u * u + v * v
            guard s > 0, s < 1 else { continue }
            let value = u * (-2 * PortableMath.logarithm(s) / s).squareRoot()
            if abs(value) <= 2 { return Float(value) }
        }
    }
}
