// SPDX-License-Identifier: Apache-2.0
import Autograd
import Models
import NeuralNetworks
import PretrainedTowers
import Tensors
import Testing
import WeightFiles

/// BERT against transformers (Fixtures/Generators/bert_tower.py).
@Suite struct BERTTowerTests {
    private let fixture: GoldenTower
    private let loaded: BERTTower
    private let parameters: FloatVector

    init() throws {
        fixture = try GoldenTower("bert_tower")
        guard
            case .bert(let tower, let parameters) =
                try PretrainedTower(contentsOf: fixture.directory)
        else { throw NoBERT() }
        loaded = tower
        self.parameters = parameters
    }

    struct NoBERT: Error {}

    private func tower(_ activation: Activation) -> BERTTower {
        var configuration = loaded.configuration
        configuration.layer.activation = activation
        return BERTTower(configuration)
    }

    /// The rows that the mask takes, packed.
    private func rows() throws -> (BERTTower.TokenRows, places: [Int]) {
        let mask = try fixture.golden.readIntegers("attention_mask")
        let places = mask.indices.filter { mask[$0] == 1 }
        let tokens = try fixture.golden.readIntegers("input_ids")
        let types = try fixture.golden.readIntegers("token_type_ids")
        let lengths = (0..<3).map { text in places.count { $0 / 7 == text } }
        return (
            BERTTower.TokenRows(
                tokens: places.map { Int32(tokens[$0]) }, positions: places.map { Int32($0 % 7) },
                types: places.map { Int32(types[$0]) }, layout: SequenceLayout(lengths: lengths)),
            places
        )
    }

    private func packed(_ name: String, _ places: [Int]) throws -> [Float] {
        let all = try fixture.floats(name)
        return places.flatMap { all[$0 * 16..<($0 + 1) * 16] }
    }

    private static let activations: [(String, Activation)] = [
        ("gelu", .gelu), ("quick_gelu", .quickGELU),
    ]

    @Test func theConfigurationIsThatOfTheFile() {
        var layer = TransformerLayer.Configuration(
            width: 16, headCount: 2, feedForwardWidth: 24, normalization: .post, epsilon: 1e-12)
        layer.activation = .gelu
        #expect(
            loaded.configuration
                == BERTTower.Configuration(
                    layer, layerCount: 2, vocabularyCount: 50, positionCount: 9, typeCount: 2))
    }

    @Test(arguments: activations)
    func theHiddenRowsAgree(_ run: String, _ activation: Activation) throws {
        let (rows, places) = try rows()
        let tower = tower(activation)
        let pass = DifferentiatedTower(tower.layout, parameters)
        let found = Array(tower(rows, pass.context).value.elements)
        let expected = try packed("\(run).last_hidden_state", places)

        #expect(places.count == 15)
        #expect(agree(found, expected))
        #expect(!agree(found, expected, scale: 1.01))
    }

    @Test func theTwoActivationsDiffer() throws {
        let (_, places) = try rows()
        #expect(
            !agree(
                try packed("gelu.last_hidden_state", places),
                try packed("quick_gelu.last_hidden_state", places)))
    }

    @Test(arguments: activations)
    func allGradientsAgree(_ run: String, _ activation: Activation) throws {
        let (rows, places) = try rows()
        let tower = tower(activation)
        let pass = DifferentiatedTower(tower.layout, parameters)
        let hidden = tower(rows, pass.context)
        pass.backward([(hidden, cotangent: try packed("cotangent", places))])

        #expect(fixture.gradientNames(run) == Set(tower.published.map(\.names[0])))
        for (index, published) in tower.published.enumerated() {
            let name = published.names[0]
            let expected = try fixture.gradient(run, of: published)
            // It cancels, see TransformerLayerTests; the key weights say how large the terms are.
            let cancels = name.hasSuffix("self.key.bias")
            let terms = cancels ? try fixture.gradient(run, of: tower.published[index - 1]) : []
            #expect(agree(pass.gradient(index), expected, terms: terms), "\(name)")
            if !cancels {
                #expect(!agree(pass.gradient(index), expected, scale: 1.01), "\(name)")
            }
        }
    }
}
