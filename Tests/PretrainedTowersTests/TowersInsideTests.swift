// SPDX-License-Identifier: Apache-2.0
import Autograd
import NeuralNetworks
import PretrainedTowers
import Primitives
import Tensors
import Testing
import WeightFiles

@testable import Models

/// The streams of a `SingleStreamModel` that has taken a publisher's parameters compute what the
/// publisher's tower computes, which BERTTowerTests and CLIPVisionTowerTests compare with theirs.
@Suite struct TowersInsideTests {
    private let folder: StartingFolder
    private let arena = Arena()

    init() throws { folder = try StartingFolder() }

    private func context(_ layout: ParameterLayout, _ parameters: FloatVector) -> ForwardContext {
        ForwardContext(
            tape: Tape(arena: arena, recordsGradients: false), layout: layout,
            parameters: parameters, gradients: nil)
    }

    @Test func theTextStreamIsTheBERT() throws {
        let published = try StartingFolder.published("bert_tower")
        guard
            case .bert(let tower, let theirs) = try PretrainedTower(contentsOf: published.path)
        else { throw WrongTower() }
        let ours = try folder.load([published.path]).parameters
        let texts: [[Int32]] = [[2, 31, 7, 49, 3], [2, 3], [9, 8, 7, 6, 5, 4, 3]]
        let layout = SequenceLayout(lengths: texts.map(\.count))

        let own = context(folder.model.layout, ours)
        let inputs = folder.model.embed(texts: texts, clips: [], own)
        let found = folder.model.encode(texts.indices.map { .init(text: $0) }, of: inputs, own)
        let expected = tower(
            .init(
                tokens: texts.flatMap(\.self),
                positions: texts.flatMap { $0.indices.map(Int32.init) },
                types: [Int32](repeating: 0, count: layout.rowCount), layout: layout),
            context(tower.layout, theirs))

        expectAgreement(found.hidden.value, expected.value)
    }

    @Test func theVisionTowerIsTheCLIP() throws {
        let published = try StartingFolder.published(
            "clip_vision_tower", ["hidden_act": .text("gelu")])
        guard
            case .clipVision(let tower, let theirs) =
                try PretrainedTower(contentsOf: published.path)
        else { throw WrongTower() }
        let ours = try folder.load([published.path]).parameters
        setIdentity("vision.projection.weight", ours)
        var generator = SeededGenerator(seed: 5, purpose: .testing)
        let frames = (0..<3 * 12 * 12 * 3).map { _ in UInt8(generator.next(below: 256)) }

        let found = folder.model.visionTower([frames], context(folder.model.layout, ours))
        let expected = tower(
            ImagePatches(ofFrames: frames, frameSize: 12, patchSize: 4, arena: arena),
            context(tower.layout, theirs))

        expectAgreement(found.value, expected.pooled.value)
    }

    private struct WrongTower: Error {}

    /// Behind the tower of the publisher stands a matrix of ours.
    private func setIdentity(_ name: String, _ parameters: FloatVector) {
        let entry = folder.model.layout.entries.first { $0.name == name }
        for place in entry?.range ?? 0..<0 {
            let (row, column) = (place - (entry?.offset ?? 0)).quotientAndRemainder(dividingBy: 16)
            parameters.pointer[place] = row == column ? 1 : 0
        }
    }

    private func expectAgreement(_ found: Tensor, _ expected: Tensor) {
        #expect(found.shape == expected.shape)
        #expect(agree(Array(found.elements), Array(expected.elements)))
        #expect(!agree(Array(found.elements), Array(expected.elements), scale: 1.01))
    }
}
