// SPDX-License-Identifier: Apache-2.0
import Autograd
import NeuralNetworks
import Tensors

/// The image half of CLIP without its projection: a vector per patch and one for the image.
///
/// ```
/// x = norm([class; patches W] + positions);  layers (pre-norm);  pooled = norm(x of class)
/// ```
/// - Source: Radford et al. 2021, arXiv:2103.00020; reference huggingface/transformers
///   `CLIPVisionModel`, whose parameters it loads.
package struct CLIPVisionTower: PublishedTower {
    package struct Configuration: Sendable, Equatable {
        package var layer: TransformerLayer.Configuration
        package var layerCount: Int
        /// Pixels along one side of the images that the positions were learned for.
        package var imageSize: Int
        /// Pixels along one side of a patch.
        package var patchSize: Int

        /// - Parameter layer: of pre-normalisation.
        package init(
            _ layer: TransformerLayer.Configuration, layerCount: Int, imageSize: Int,
            patchSize: Int
        ) {
            self.layer = layer
            self.layerCount = layerCount
            self.imageSize = imageSize
            self.patchSize = patchSize
        }

        /// Patches along one side of the images that the positions were learned for.
        package var gridSize: Int { imageSize / patchSize }
    }

    /// The tower's answer to B images of P patches.
    package struct Encoding {
        /// [B (P + 1), D]: for each image its class token, then its patches row by row.
        package let hidden: Variable
        /// [B, D]: the class tokens, normalised.
        package let pooled: Variable
    }

    package let configuration: Configuration
    package let layout: ParameterLayout
    /// Its own parameter and no `Linear`, for it has no bias.
    private let patchEmbedding: ParameterIndex
    private let classToken: ParameterIndex
    private let position: Embedding
    private let inputNorm: LayerNorm
    private let layers: [TransformerLayer]
    private let outputNorm: LayerNorm

    package init(_ configuration: Configuration) {
        self.configuration = configuration
        let (width, patchSize) = (configuration.layer.width, configuration.patchSize)
        var layout = ParameterLayout()
        classToken = layout.add("class", [1, width], .normal(deviation: 0.02), decays: false)
        patchEmbedding = layout.add(
            "patch.weight", [width, 3 * patchSize * patchSize], .normal(deviation: 0.02),
            decays: true)
        position = Embedding(
            count: configuration.gridSize * configuration.gridSize + 1, width: width,
            name: "position", in: &layout)
        func norm(_ name: String) -> LayerNorm {
            LayerNorm(width: width, epsilon: configuration.layer.epsilon, name: name, in: &layout)
        }
        inputNorm = norm("inputNorm")
        layers = (0..<configuration.layerCount).map {
            TransformerLayer(configuration.layer, name: "encoder.\($0)", in: &layout)
        }
        outputNorm = norm("outputNorm")
        self.layout = layout
    }

    package func callAsFunction(_ patches: ImagePatches, _ context: ForwardContext) -> Encoding {
        let tape = context.tape
        let (imageCount, patchCount) = (patches.imageCount, patches.patchCount)
        let embedded = tape.linear(
            tape.constant(patches.pixels), weight: context(patchEmbedding), bias: nil)  // [B P, D]
        let withClass = tape.concatenateRows([context(classToken), embedded])  // [1 + B P, D]
        let order = (0..<imageCount).flatMap { image in
            [Int32(0)] + (0..<patchCount).map { Int32(1 + image * patchCount + $0) }
        }
        let length = patchCount + 1
        let places = (0..<imageCount).flatMap { _ in (0..<length).map(Int32.init) }
        let positions = tape.gatherRows(positions(for: patches, context), places)
        var x = tape.add(tape.gatherRows(withClass, order), positions)
        x = inputNorm(x, context)  // [B (P + 1), D]
        let sequences = SequenceLayout(lengths: [Int](repeating: length, count: imageCount))
        for layer in layers { x = layer(x, layout: sequences, context) }
        let classRows = (0..<imageCount).map { Int32($0 * length) }
        let pooled = outputNorm(tape.gatherRows(x, classRows), context)  // [B, D]
        return Encoding(hidden: x, pooled: pooled)
    }

    /// The learned positions, interpolated when the images have other patches: [P + 1, D].
    private func positions(for patches: ImagePatches, _ context: ForwardContext) -> Variable {
        let table = context(position.table)
        let side = configuration.gridSize
        guard patches.gridRows != side || patches.gridColumns != side else { return table }
        let coefficients = PositionInterpolation.coefficients(
            from: side, toRows: patches.gridRows, columns: patches.gridColumns)
        let matrix = context.tape.arena.allocate([patches.patchCount + 1, side * side + 1])
        for (index, value) in coefficients.enumerated() { matrix.data[index] = value }
        return context.tape.combineRows(matrix, of: table)
    }
}

// MARK: - Published names

extension CLIPVisionTower {
    package static let prefixes = ["vision_model.", "", "clip.vision_model."]
    package static let ownParts = ["encoder."]

    private static let names = PublishedNames(
        parts: [
            "class": "embeddings.class_embedding", "patch": "embeddings.patch_embedding",
            "position": "embeddings.position_embedding",
            // The publisher's spelling.
            "inputNorm": "pre_layrnorm", "outputNorm": "post_layernorm",
        ],
        layer: (own: "encoder.", published: "encoder.layers."),
        layerParts: [
            "attention.query": "self_attn.q_proj", "attention.key": "self_attn.k_proj",
            "attention.value": "self_attn.v_proj", "attention.output": "self_attn.out_proj",
            "attention.norm": "layer_norm1", "intermediate": "mlp.fc1", "output": "mlp.fc2",
            "output.norm": "layer_norm2",
        ])

    package var published: [PublishedParameter] {
        let (width, patchSize) = (configuration.layer.width, configuration.patchSize)
        return layout.entries.enumerated().map { index, entry in
            let shape =
                switch index {
                case classToken.index: [width]
                case patchEmbedding.index: [width, 3, patchSize, patchSize]
                default: entry.shape
                }
            return PublishedParameter(names: [Self.names.name(of: entry.name)], shape: shape)
        }
    }
}
