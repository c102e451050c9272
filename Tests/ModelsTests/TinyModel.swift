// SPDX-License-Identifier: Apache-2.0
import Autograd
import Models
import NeuralNetworks

/// The sizes of Fixtures/Generators/single_stream_model.py.
enum TinyModel {
    static func make() -> SingleStreamModel {
        var configuration = SingleStreamModel.Configuration()
        configuration.width = 8
        configuration.layerCount = 2
        configuration.headCount = 2
        configuration.feedForwardWidth = 12
        configuration.visionLayerCount = 1
        configuration.patchSize = 4
        configuration.projectionWidth = 5
        return SingleStreamModel(
            configuration,
            inputShape: .init(
                frameCount: 3, frameSize: 8, tokenCountMax: 7, vocabularyCount: 11))
    }
}

extension SingleStreamModel {
    /// The vectors of texts alone and clips alone: what the bank keeps and retrieval compares.
    ///
    /// Shapes: -> text [texts, projectionWidth], video [clips, projectionWidth], unit rows.
    /// - Precondition: there is at least one text or clip.
    func encodeApart(
        texts: [[Int32]], clips: [[UInt8]], _ context: ForwardContext
    ) -> (text: Variable, video: Variable) {
        let inputs = embed(texts: texts, clips: clips, context)
        let views = texts.indices.map { View(text: $0) } + clips.indices.map { View(clip: $0) }
        let pooled = encode(views, of: inputs, context).pooled
        let textRows = texts.indices.map(Int32.init)
        let videoRows = clips.indices.map { Int32(texts.count + $0) }
        return (
            projectText(context.tape.gatherRows(pooled, textRows), context),
            projectVideo(context.tape.gatherRows(pooled, videoRows), context)
        )
    }
}
