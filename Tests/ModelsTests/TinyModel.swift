// SPDX-License-Identifier: Apache-2.0
import Models

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
