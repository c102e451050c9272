// SPDX-License-Identifier: Apache-2.0
import Autograd
import Foundation
import Models
import NeuralNetworks
import Tensors
import WeightFiles

/// A model of the fixtures and what the publisher's own program computes with it.
struct GoldenTower {
    let directory: String
    let golden: SafetensorsFile
    let bfloatErrors: BFloatErrors

    /// - Parameter name: a folder that a script of Fixtures/Generators has written.
    init(_ name: String) throws {
        directory =
            URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Fixtures/\(name)").path
        golden = try SafetensorsFile("\(directory)/golden.safetensors")
        bfloatErrors = try BFloatErrors(contentsOf: "\(directory)/bfloat_errors.json")
    }

    func floats(_ name: String) throws -> [Float] { try golden.readFloats(name) }

    /// The fixture is without the prefix under which a tower writes.
    func gradient(_ run: String, of published: PublishedParameter) throws -> [Float] {
        try golden.readFloats("\(run).gradient.\(published.names[0])")
    }

    /// Parameters of which the golden has a gradient.
    func gradientNames(_ run: String) -> Set<String> {
        let prefix = "\(run).gradient."
        return Set(
            golden.header.entries.keys.filter { $0.hasPrefix(prefix) }
                .map { String($0.dropFirst(prefix.count)) })
    }
}

/// One forward pass with gradients of sum(output * cotangent), summed over the outputs.
final class DifferentiatedTower {
    let layout: ParameterLayout
    private let arena = Arena()
    private let tape: Tape
    private let gradients: FloatVector
    let context: ForwardContext

    init(_ layout: ParameterLayout, _ parameters: FloatVector, _ precision: Precision = .f32) {
        self.layout = layout
        tape = Tape(arena: arena, recordsGradients: true, precision: precision)
        gradients = FloatVector(count: layout.elementCount)
        let rounded = precision == .bf16 ? BFloatVector(count: parameters.count) : nil
        rounded?.round(parameters)
        context = ForwardContext(
            tape: tape, layout: layout,
            parameters: LaneParameters(parameters, rounded: rounded), gradients: gradients)
    }

    func backward(_ outputs: [(Variable, cotangent: [Float])]) {
        let terms = outputs.map { output, cotangent in
            let count = output.value.count
            let flat = output.reshaped([1, count])
            let weights = arena.allocate([1, count])
            for index in 0..<count { weights.data[index] = cotangent[index] }
            return tape.linear(flat, weight: tape.constant(weights), bias: nil)
        }
        let scalars = terms.map { $0.reshaped([1]) }
        tape.backward(from: tape.weightedSum(scalars.map { (value: $0, weight: 1) }))
    }

    func gradient(_ index: Int) -> [Float] {
        Array(gradients.elements[layout.entries[index].range])
    }

    var tensorArena: Arena { arena }
}

/// Whether all elements agree within 1e-5 of the largest.
///
/// The golden is exact to f32 rounding (float64 inside). Ours is f32 throughout: two layers are
/// some twenty sums of at most 48 terms, one behind the other, each off by a few 2^-24 of its
/// terms; with norms in between that is about 1e-6 of the largest element. 1e-5 leaves room for
/// another order of summation, and is a thousandth of what the mutation of each test does.
///
/// - Parameter terms: numbers as large as those that were summed, where the sums may cancel.
func agree(
    _ found: [Float], _ expected: [Float], terms: [Float] = [], scale: Double = 1
) -> Bool {
    let largest = (expected + terms).reduce(0) { max($0, abs(Double($1))) }
    return found.count == expected.count && largest > 0
        && zip(found, expected).allSatisfy {
            abs(scale * Double($0) - Double($1)) <= 1e-5 * largest
        }
}
