// SPDX-License-Identifier: Apache-2.0
import Autograd
import Models
import NeuralNetworks
import PretrainedTowers
import Tensors
import Testing
import WeightFiles

/// The image half of CLIP against transformers (Fixtures/Generators/clip_vision_tower.py).
@Suite struct CLIPVisionTowerTests {
    private let fixture: GoldenTower
    private let loaded: CLIPVisionTower
    private let parameters: FloatVector

    init() throws {
        fixture = try GoldenTower("clip_vision_tower")
        guard
            case .clipVision(let tower, let parameters) =
                try PretrainedTower(contentsOf: fixture.directory)
        else { throw NoCLIP() }
        loaded = tower
        self.parameters = parameters
    }

    struct NoCLIP: Error {}

    struct Run: Sendable, CustomTestStringConvertible {
        let name: String
        let activation: Activation
        var testDescription: String { name }
    }

    private static let runs = [
        Run(name: "quick_gelu", activation: .quickGELU), Run(name: "gelu", activation: .gelu),
        Run(name: "interpolated", activation: .quickGELU),
    ]

    private func tower(_ activation: Activation) -> CLIPVisionTower {
        var configuration = loaded.configuration
        configuration.layer.activation = activation
        return CLIPVisionTower(configuration)
    }

    private func encode(
        _ run: Run, _ tower: CLIPVisionTower, _ pass: DifferentiatedTower
    ) throws -> CLIPVisionTower.Encoding {
        let name = "\(run.name).pixel_values"
        let pixels = pass.tensorArena.allocate(try fixture.golden.entry(name).shape)
        for (index, value) in try fixture.floats(name).enumerated() { pixels.data[index] = value }
        return tower(
            ImagePatches(ofPlanes: pixels, patchSize: 4, arena: pass.tensorArena), pass.context)
    }

    /// One pass with gradients.
    private struct Pass {
        let tower: CLIPVisionTower
        /// By their names in the golden.
        let outputs: [(name: String, values: [Float])]
        let differentiated: DifferentiatedTower
    }

    private func pass(_ run: Run, _ precision: Precision = .f32) throws -> Pass {
        let tower = tower(run.activation)
        let differentiated = DifferentiatedTower(tower.layout, parameters, precision)
        let encoding = try encode(run, tower, differentiated)
        let outputs = [
            ("last_hidden_state", encoding.hidden), ("pooler_output", encoding.pooled),
        ]
        differentiated.backward(
            try outputs.map { name, output in
                (output, cotangent: try fixture.floats("\(run.name).cotangent.\(name)"))
            })
        return Pass(
            tower: tower, outputs: outputs.map { ($0, Array($1.value.elements)) },
            differentiated: differentiated)
    }

    /// A key bias has no gradient, see TransformerLayerTests; the key weights, which come before
    /// it, say how large the terms are that cancel.
    private func termsThatCancel(_ run: Run, _ index: Int, of tower: CLIPVisionTower) throws
        -> [Float]?
    {
        let cancels = tower.published[index].names[0].hasSuffix("k_proj.bias")
        return cancels ? try fixture.gradient(run.name, of: tower.published[index - 1]) : nil
    }

    @Test func theConfigurationIsThatOfTheFile() {
        var layer = TransformerLayer.Configuration(
            width: 16, headCount: 2, feedForwardWidth: 24, normalization: .pre, epsilon: 1e-5)
        layer.activation = .quickGELU
        #expect(
            loaded.configuration
                == CLIPVisionTower.Configuration(
                    layer, layerCount: 2, imageSize: 12, patchSize: 4))
    }

    @Test(arguments: runs) func bothOutputsAgree(_ run: Run) throws {
        for (name, found) in try pass(run).outputs {
            let expected = try fixture.floats("\(run.name).\(name)")
            #expect(agree(found, expected), "\(name)")
            #expect(!agree(found, expected, scale: 1.01), "\(name)")
        }
    }

    /// Otherwise the cases would be one.
    @Test func theOtherActivationDoesNotAgree() throws {
        let tower = tower(.gelu)
        let pass = DifferentiatedTower(tower.layout, parameters)
        let encoding = try encode(Self.runs[0], tower, pass)
        let expected = try fixture.floats("quick_gelu.pooler_output")
        #expect(!agree(Array(encoding.pooled.value.elements), expected))
    }

    @Test(arguments: runs) func allGradientsAgree(_ run: Run) throws {
        let pass = try pass(run)

        #expect(fixture.gradientNames(run.name) == Set(pass.tower.published.map(\.names[0])))
        for (index, published) in pass.tower.published.enumerated() {
            let name = published.names[0]
            let found = pass.differentiated.gradient(index)
            let expected = try fixture.gradient(run.name, of: published)
            let terms = try termsThatCancel(run, index, of: pass.tower)
            #expect(agree(found, expected, terms: terms ?? []), "\(name)")
            if terms == nil { #expect(!agree(found, expected, scale: 1.01), "\(name)") }
        }
    }

    @Test(arguments: runs) func inBFloatErrorsAreThoseOfRoundings(_ run: Run) throws {
        let pass = try pass(run, .bf16)
        let errors = fixture.bfloatErrors

        for (name, found) in pass.outputs {
            let output = BFloatErrors.Comparison(
                run: run.name, name: name, found: found,
                golden: try fixture.floats("\(run.name).\(name)"))
            #expect(errors.explain(output), "\(name)")
            #expect(!errors.explain(output, scale: errors.excessiveFactor(output)), "\(name)")
            #expect(!agree(found, output.golden), "it was f32 that ran")
        }
        for (index, published) in pass.tower.published.enumerated() {
            let gradient = BFloatErrors.Comparison(
                run: run.name, name: "gradient.\(published.names[0])",
                found: pass.differentiated.gradient(index),
                golden: try fixture.gradient(run.name, of: published))
            let terms = try termsThatCancel(run, index, of: pass.tower)
            #expect(errors.explain(gradient, terms: terms), "\(gradient.name)")
            if terms == nil {
                let factor = errors.excessiveFactor(gradient)
                #expect(!errors.explain(gradient, scale: factor), "\(gradient.name)")
            }
        }
    }
}
