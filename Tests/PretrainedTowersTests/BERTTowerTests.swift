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

    /// One pass with gradients.
    private struct Pass {
        let tower: BERTTower
        let hidden: [Float]
        let expected: [Float]
        let differentiated: DifferentiatedTower
    }

    private func pass(
        _ run: String, _ activation: Activation, _ precision: Precision = .f32
    ) throws -> Pass {
        let (rows, places) = try rows()
        #expect(places.count == 15)
        let tower = tower(activation)
        let differentiated = DifferentiatedTower(tower.layout, parameters, precision)
        let hidden = tower(rows, differentiated.context)
        differentiated.backward([(hidden, cotangent: try packed("cotangent", places))])
        return Pass(
            tower: tower, hidden: Array(hidden.value.elements),
            expected: try packed("\(run).last_hidden_state", places),
            differentiated: differentiated)
    }

    /// A key bias has no gradient, see TransformerLayerTests; the key weights, which come before
    /// it, say how large the terms are that cancel.
    private func termsThatCancel(_ run: String, _ index: Int, of tower: BERTTower) throws
        -> [Float]?
    {
        let cancels = tower.published[index].names[0].hasSuffix("self.key.bias")
        return cancels ? try fixture.gradient(run, of: tower.published[index - 1]) : nil
    }

    @Test(arguments: activations)
    func theHiddenRowsAgree(_ run: String, _ activation: Activation) throws {
        let pass = try pass(run, activation)

        #expect(agree(pass.hidden, pass.expected))
        #expect(!agree(pass.hidden, pass.expected, scale: 1.01))
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
        let pass = try pass(run, activation)

        #expect(fixture.gradientNames(run) == Set(pass.tower.published.map(\.names[0])))
        for (index, published) in pass.tower.published.enumerated() {
            let name = published.names[0]
            let found = pass.differentiated.gradient(index)
            let expected = try fixture.gradient(run, of: published)
            let terms = try termsThatCancel(run, index, of: pass.tower)
            #expect(agree(found, expected, terms: terms ?? []), "\(name)")
            if terms == nil { #expect(!agree(found, expected, scale: 1.01), "\(name)") }
        }
    }

    @Test(arguments: activations)
    func inBFloatErrorsAreThoseOfRoundings(
        _ run: String, _ activation: Activation
    ) throws {
        let pass = try pass(run, activation, .bf16)
        let errors = fixture.bfloatErrors

        let hidden = BFloatErrors.Comparison(
            run: run, name: "last_hidden_state", found: pass.hidden, golden: pass.expected)
        #expect(errors.explain(hidden))
        #expect(!errors.explain(hidden, scale: errors.excessiveFactor(hidden)))
        #expect(!agree(pass.hidden, pass.expected), "it was f32 that ran")
        for (index, published) in pass.tower.published.enumerated() {
            let gradient = BFloatErrors.Comparison(
                run: run, name: "gradient.\(published.names[0])",
                found: pass.differentiated.gradient(index),
                golden: try fixture.gradient(run, of: published))
            let terms = try termsThatCancel(run, index, of: pass.tower)
            #expect(errors.explain(gradient, terms: terms), "\(gradient.name)")
            if terms == nil {
                let factor = errors.excessiveFactor(gradient)
                #expect(!errors.explain(gradient, scale: factor), "\(gradient.name)")
            }
        }
    }
}
