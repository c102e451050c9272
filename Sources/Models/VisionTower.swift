// SPDX-License-Identifier: Apache-2.0
import Autograd
import CKernels
import NeuralNetworks
import Primitives
import Tensors

/// A small vision transformer: each frame becomes one vector.
///
/// Shapes: frames [F, S, S, 3] of bytes -> [F, width].
/// - Source: Dosovitskiy et al. 2020, arXiv:2010.11929; pixel statistics and layer order of CLIP
///   (Radford et al. 2021, arXiv:2103.00020).
struct VisionTower: Sendable {
    static let channelMeans: [Float] = [0.48145466, 0.4578275, 0.40821073]
    static let channelDeviations: [Float] = [0.26862954, 0.26130258, 0.27577711]

    private let frameSize: Int
    private let patchSize: Int
    private let patchEmbedding: Linear
    private let classToken: ParameterIndex
    private let position: Embedding
    private let inputNorm: LayerNorm
    private let layers: [TransformerLayer]
    private let outputNorm: LayerNorm
    private let projection: Linear

    init(
        _ configuration: SingleStreamModel.Configuration, frameSize: Int,
        in layout: inout ParameterLayout
    ) {
        precondition(
            frameSize.isMultiple(of: configuration.patchSize),
            "frames of \(frameSize) pixels, patches of \(configuration.patchSize)")
        self.frameSize = frameSize
        let width = configuration.width
        patchSize = configuration.patchSize
        patchEmbedding = Linear(
            inputWidth: 3 * patchSize * patchSize, outputWidth: width, name: "vision.patch",
            in: &layout)
        classToken = layout.add(
            "vision.class", [1, width], .normal(deviation: 0.02), decays: false)
        let side = frameSize / patchSize
        position = Embedding(
            count: side * side + 1, width: width, name: "vision.position", in: &layout)
        inputNorm = LayerNorm(width: width, epsilon: 1e-5, name: "vision.inputNorm", in: &layout)
        let layer = TransformerLayer.Configuration(
            width: width, headCount: configuration.headCount,
            feedForwardWidth: configuration.feedForwardWidth, normalization: .pre, epsilon: 1e-5)
        layers = (0..<configuration.visionLayerCount).map {
            TransformerLayer(layer, name: "vision.\($0)", in: &layout)
        }
        outputNorm = LayerNorm(width: width, epsilon: 1e-5, name: "vision.outputNorm", in: &layout)
        projection = Linear(
            inputWidth: width, outputWidth: width, name: "vision.projection", in: &layout)
    }

    private var patchCount: Int { (frameSize / patchSize) * (frameSize / patchSize) }
    private var frameBytes: Int { frameSize * frameSize * 3 }

    func callAsFunction(_ clips: [[UInt8]], _ context: ForwardContext) -> Variable {
        let frameCount = clips.reduce(0) { $0 + $1.count / frameBytes }
        let tape = context.tape
        let shape = [frameCount * patchCount, 3 * patchSize * patchSize]
        let pixels = tape.productConstant(shape) { fill($0, with: clips) }  // [F P, 3 p p]
        let embedded = patchEmbedding(pixels, context)  // [F P, D]
        let withClass = tape.concatenateRows([context(classToken), embedded])  // [1 + F P, D]
        let length = patchCount + 1
        let order = (0..<frameCount).flatMap { frame in
            [Int32(0)] + (0..<patchCount).map { Int32(1 + frame * patchCount + $0) }
        }
        let positions = (0..<frameCount).flatMap { _ in (0..<length).map(Int32.init) }
        var x = tape.add(tape.gatherRows(withClass, order), position(positions, context))
        x = inputNorm(x, context)  // [F (P + 1), D]
        let sequences = SequenceLayout(lengths: [Int](repeating: length, count: frameCount))
        for layer in layers { x = layer(x, layout: sequences, context) }
        let classRows = (0..<frameCount).map { Int32($0 * length) }
        return projection(outputNorm(tape.gatherRows(x, classRows), context), context)  // [F, D]
    }

    /// Cuts frames into patches of normalised pixels, row by row: [F P, 3 p p].
    private func fill(_ patches: Tensor, with clips: [[UInt8]]) {
        var target = patches.data
        for clip in clips {
            precondition(
                clip.count.isMultiple(of: frameBytes),
                "\(clip.count) bytes are not frames of \(frameBytes)")
            clip.withUnsafeBufferPointer { bytes in
                guard let base = bytes.baseAddress else { return }
                for frame in 0..<bytes.count / frameBytes {
                    cut(base + frame * frameBytes, into: &target)
                }
            }
        }
    }

    private func cut(
        _ frame: UnsafePointer<UInt8>, into target: inout UnsafeMutablePointer<Float>
    ) {
        let rowFloats = 3 * patchSize
        for top in stride(from: 0, to: frameSize, by: patchSize) {
            for left in stride(from: 0, to: frameSize, by: patchSize) {
                for row in top..<top + patchSize {
                    accord_normalize_pixels(
                        frame + (row * frameSize + left) * 3, target, rowFloats,
                        Self.channelMeans, Self.channelDeviations)
                    target += rowFloats
                }
            }
        }
    }
}
