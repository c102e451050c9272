// SPDX-License-Identifier: Apache-2.0
import Autograd
import Models
import NeuralNetworks
import Tensors
import WeightFiles

/// Runs a pretrained tower over the tensors of a file.
///
/// Isolation: one thread.
package final class TowerEncoder {
    /// Of one text or image: the attention matrix of a head then has at most 1 GiB.
    package static let sequenceRowsMax = 1 << 14
    /// Of an output, 4 GiB.
    package static let outputCountMax = 1 << 30
    /// Texts and images are run together up to so many rows, which bounds the arena.
    static let microbatchRowsMax = 1024

    private let tower: PretrainedTower
    let arena = Arena()

    package init(_ tower: PretrainedTower) { self.tower = tower }

    /// The outputs of docs/weights.md.
    package func encode(
        _ inputs: SafetensorsFile
    ) throws(WeightFileFailure) -> [OutgoingTensor] {
        switch tower {
        case .bert(let tower, let parameters):
            let texts = try TextInputs(inputs, tower.configuration)
            return encode(texts, tower, parameters)
        case .clipVision(let tower, let parameters):
            let images = try ImageInputs(inputs, tower.configuration)
            return encode(images, tower, parameters)
        }
    }

    func context(_ layout: ParameterLayout, _ parameters: FloatVector) -> ForwardContext {
        arena.reset()
        return ForwardContext(
            tape: Tape(arena: arena, recordsGradients: false), layout: layout,
            parameters: LaneParameters(parameters), sink: nil)
    }

    /// Ranges of sequences that are run together.
    static func microbatches(count: Int, rowsPerSequence: Int) -> [Range<Int>] {
        let size = max(1, microbatchRowsMax / max(1, rowsPerSequence))
        return stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
    }
}

/// Rules that the inputs of all towers keep.
enum InputRules {
    static func failure(
        _ file: SafetensorsFile, _ name: String, _ expected: String, _ found: String
    ) -> WeightFileFailure {
        WeightFileFailure(
            file.path, "tensor \(WeightFileFailure.quoted(name))", expected: expected,
            found: found)
    }

    /// A name that is misspelt must not be left out in silence.
    static func checkNames(
        _ file: SafetensorsFile, known: [String]
    ) throws(WeightFileFailure) {
        let stranger = file.header.entries.keys.filter { !known.contains($0) }.min()
        if let stranger {
            throw failure(
                file, stranger, "only the inputs \(known.joined(separator: ", "))",
                "another tensor")
        }
    }

    static func checkOutput(
        _ file: SafetensorsFile, _ name: String, _ shape: [Int]
    ) throws(WeightFileFailure) {
        var count = 1
        for dimension in shape {
            let (product, overflows) = count.multipliedReportingOverflow(by: dimension)
            guard !overflows, product <= TowerEncoder.outputCountMax else {
                throw failure(
                    file, name, "an output of at most \(TowerEncoder.outputCountMax) numbers",
                    "one of shape \(shape); encode fewer rows at a time")
            }
            count = product
        }
    }
}
