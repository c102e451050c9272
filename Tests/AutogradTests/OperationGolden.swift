// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives
import Tensors
import WeightFiles

/// An operation beside what PyTorch computes: Fixtures/operations.safetensors, written by
/// Fixtures/Generators/operations.py.
struct OperationGolden {
    static let operations = OperationCase.all + [.longAttention]

    static func file() throws -> SafetensorsFile {
        try SafetensorsFile(
            URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .appending(path: "Fixtures/operations.safetensors").path)
    }

    /// In the file: the output, then the gradient of each input.
    static func names(_ operation: OperationCase) -> [String] {
        ["\(operation.name).output"]
            + operation.shapes.indices.map { "\(operation.name).gradient.\($0)" }
    }

    private let operation: OperationCase
    private let expected: [[Float]]

    init(_ operation: OperationCase) throws {
        let file = try Self.file()
        self.operation = operation
        expected = try Self.names(operation).map { try file.readFloats($0) }
    }

    /// Of the output and of each gradient, the largest error relative to the largest element.
    /// - Parameter scale: a factor on everything that the tape computes.
    func errors(_ precision: Precision, scale: Double = 1) -> [Double] {
        let inputs = operation.shapes.enumerated().map {
            Self.numbers(tensor: $0.offset, count: $0.element.reduce(1, *))
        }
        let run = OperationRun(
            operation, inputs: inputs,
            cotangent: Self.numbers(tensor: inputs.count, count: expected[0].count),
            precision: precision)
        return zip([run.output] + run.gradients, expected).map { found, expected in
            let largest = Double(expected.map(abs).max() ?? 0)
            let errors = zip(found, expected).map { abs(scale * Double($0) - Double($1)) }
            let isComplete = found.count == expected.count && errors.allSatisfy(\.isFinite)
            return isComplete ? (errors.max() ?? .infinity) / largest : .infinity
        }
    }

    /// The formula of the generator: multiples of 2^-22 from -2 to 2.
    private static func numbers(tensor: Int, count: Int) -> [Float] {
        (1...count).map { position in
            var hash = UInt32(position + tensor << 16) &* 2_654_435_761
            hash ^= hash >> 15
            hash = hash &* 2_246_822_519
            return Float(hash >> 8) * 0x1p-22 - 2
        }
    }
}
