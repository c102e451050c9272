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
        let tower = tower(run.activation)
        let pass = DifferentiatedTower(tower.layout, parameters)
        let encoding = try encode(run, tower, pass)

        for (output, name) in [
            (encoding.hidden, "last_hidden_state"), (encoding.pooled, "pooler_output"),
        ] {
            let found = Array(output.value.elements)
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
        let tower = tower(run.activation)
        let pass = DifferentiatedTower(tower.layout, parameters)
        let encoding = try encode(run, tower, pass)
        pass.backward([
            (
                encoding.hidden,
                cotangent: try fixture.floats("\(run.name).cotangent.last_hidden_state")
            ),
            (
                encoding.pooled,
                cotangent: try fixture.floats("\(run.name).cotangent.pooler_output")
            ),
        ])

        #expect(fixture.gradientNames(run.name) == Set(tower.published.map(\.names[0])))
        for (index, published) in tower.published.enumerated() {
            let name = published.names[0]
            let expected = try fixture.gradient(run.name, of: published)
            // It cancels, see TransformerLayerTests; the key weights say how large the terms are.
            let cancels = name.hasSuffix("k_proj.bias")
            let terms =
                cancels ? try fixture.gradient(run.name, of: tower.published[index - 1]) : []
            #expect(agree(pass.gradient(index), expected, terms: terms), "\(name)")
            if !cancels {
                #expect(!agree(pass.gradient(index), expected, scale: 1.01), "\(name)")
            }
        }
    }
}
