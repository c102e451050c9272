// SPDX-License-Identifier: Apache-2.0
import Autograd
import Models
import NeuralNetworks
import Tensors
import WeightFiles

/// The inputs of the image tower, checked: B images, channel first.
struct ImageInputs {
    /// [B, 3, height, width].
    let shape: [Int]
    let pixels: FloatVector
    let patchCount: Int

    private static let name = "pixel_values"

    init(
        _ file: SafetensorsFile, _ configuration: CLIPVisionTower.Configuration
    ) throws(WeightFileFailure) {
        try InputRules.checkNames(file, known: [Self.name])
        let entry = try file.entry(Self.name)
        let patchSize = configuration.patchSize
        let shape = entry.shape
        guard shape.count == 4, shape[1] == 3,
            shape[2...].allSatisfy({ $0 > 0 && $0.isMultiple(of: patchSize) })
        else {
            throw InputRules.failure(
                file, Self.name,
                "shape [images, 3, height, width] in multiples of the patch, \(patchSize) pixels",
                "shape \(shape)")
        }
        // A side alone is bounded by the file, so the product cannot overflow in practice; it is
        // checked all the same.
        let (patches, overflows) = (shape[2] / patchSize).multipliedReportingOverflow(
            by: shape[3] / patchSize)
        guard !overflows, patches < TowerEncoder.sequenceRowsMax else {
            throw InputRules.failure(
                file, Self.name, "fewer than \(TowerEncoder.sequenceRowsMax) patches per image",
                "shape \(shape)")
        }
        patchCount = patches
        self.shape = shape
        try InputRules.checkOutput(
            file, Self.name, [shape[0], patches + 1, configuration.layer.width])
        pixels = FloatVector(count: entry.count)
        try file.readFloats(Self.name, into: pixels.elements)
    }
}

extension TowerEncoder {
    /// last_hidden_state [B, P + 1, D]; pooler_output [B, D], the class token after its norm.
    func encode(
        _ inputs: ImageInputs, _ tower: CLIPVisionTower, _ parameters: FloatVector
    ) -> [OutgoingTensor] {
        let width = tower.configuration.layer.width
        let (imageCount, length) = (inputs.shape[0], inputs.patchCount + 1)
        let imageFloats = inputs.shape.dropFirst().reduce(1, *)
        let hidden = FloatVector(count: imageCount * length * width)
        let pooled = FloatVector(count: imageCount * width)
        for images in Self.microbatches(count: imageCount, rowsPerSequence: length) {
            let context = context(tower.layout, parameters)
            let part = Tensor(
                data: inputs.pixels.pointer + images.lowerBound * imageFloats,
                shape: [images.count] + inputs.shape.dropFirst())
            let encoding = tower(
                ImagePatches(
                    ofPlanes: part, patchSize: tower.configuration.patchSize, arena: arena),
                context)
            (hidden.pointer + images.lowerBound * length * width).update(
                from: encoding.hidden.value.data, count: encoding.hidden.value.count)
            (pooled.pointer + images.lowerBound * width).update(
                from: encoding.pooled.value.data, count: encoding.pooled.value.count)
        }
        return [
            OutgoingTensor("last_hidden_state", [imageCount, length, width], hidden),
            OutgoingTensor("pooler_output", [imageCount, width], pooled),
        ]
    }
}
