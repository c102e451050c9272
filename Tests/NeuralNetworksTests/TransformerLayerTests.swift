// SPDX-License-Identifier: Apache-2.0
import Dispatch
import NeuralNetworks
import Synchronization
import Tensors
import Testing

struct TransformerLayerTests {
    /// Whether all elements agree within `bound` of the largest. In f32 some hundred roundings.
    ///
    /// - Parameter terms: numbers as large as those that were summed, where the sums may cancel.
    private func agree(
        _ found: [Float], _ expected: [Double], within bound: Double = 1e-5,
        terms: [Double] = [], scale: Double = 1
    ) -> Bool {
        let largest = (expected + terms).reduce(0) { max($0, abs($1)) }
        return found.count == expected.count
            && zip(found, expected).allSatisfy {
                abs(scale * Double($0.0) - $0.1) <= bound * largest
            }
    }

    @Test(arguments: [0, 1])
    func outputAndAllGradientsAgreeWithNumPy(_ index: Int) throws {
        let fixture = try LayerFixture.load()[index]
        let run = LayerRun(fixture)

        #expect(run.layout.entries.map(\.name).sorted() == fixture.parameters.keys.sorted())
        #expect(agree(run.output, fixture.output))
        #expect(fixture.gradients.count == run.layout.entries.count + 1)
        for (name, expected) in fixture.gradients where name != "layer.attention.key.bias" {
            #expect(agree(run.gradient(of: name), expected), "\(name)")
            #expect(!agree(run.gradient(of: name), expected, scale: 1.01), "\(name)")
        }
    }

    /// A key bias moves all scores of a query alike, so its gradient is zero: the gradients of the
    /// keys, summed over the rows, cancel. The gradient of the key weight sums the same terms,
    /// times an input of size 1, so its elements say how large they are.
    @Test(arguments: [0, 1])
    func theGradientOfTheKeyBiasCancels(_ index: Int) throws {
        let fixture = try LayerFixture.load()[index]
        let found = LayerRun(fixture).gradient(of: "layer.attention.key.bias")
        let expected = try #require(fixture.gradients["layer.attention.key.bias"])
        let terms = try #require(fixture.gradients["layer.attention.key.weight"])

        #expect(found.count == fixture.width)
        #expect(agree(found, expected, terms: terms))
        // A hundredth of the terms left over would be seen.
        #expect(!agree(found, terms.prefix(found.count).map { 0.01 * $0 }, terms: terms))
    }

    /// docs/numerics.md, "One layer": thrice the root mean square of the roundings on the way.
    private static let boundsInBFloat = (output: 0.023, gradients: 0.037)

    @Test(arguments: [0, 1])
    func inBFloatErrorsAreThoseOfRoundings(_ index: Int) throws {
        let fixture = try LayerFixture.load()[index]
        let run = LayerRun(fixture, precision: .bf16)
        let bounds = Self.boundsInBFloat

        #expect(agree(run.output, fixture.output, within: bounds.output))
        #expect(!agree(run.output, fixture.output, within: bounds.output, scale: 1.05))
        // It was not f32 that ran.
        #expect(!agree(run.output, fixture.output, within: 1e-4))
        for (name, expected) in fixture.gradients {
            let found = run.gradient(of: name)
            let cancels = name == "layer.attention.key.bias"
            let terms = cancels ? fixture.gradients["layer.attention.key.weight"] ?? [] : []
            #expect(agree(found, expected, within: bounds.gradients, terms: terms), "\(name)")
            if !cancels {
                #expect(
                    !agree(found, expected, within: bounds.gradients, scale: 1.1), "\(name)")
            }
        }
    }

    @Test func preAndPostNormalizationDiffer() throws {
        let fixtures = try LayerFixture.load()
        #expect(fixtures.map(\.normalization) == ["post", "pre"])
        #expect(!agree(LayerRun(fixtures[0]).output, fixtures[1].output))
    }

    private static func bits(_ run: LayerRun) -> [[UInt32]] {
        [run.output, run.inputGradient, Array(run.parameterGradients.elements)]
            .map { $0.map(\.bitPattern) }
    }

    @Test(arguments: [0, 1], Precision.allCases)
    func whatIsComputedAgainHasTheSameBits(_ index: Int, _ precision: Precision) throws {
        let fixture = try LayerFixture.load()[index]
        let kept = LayerRun(fixture, precision: precision)
        let again = LayerRun(fixture, precision: precision, recomputation: .layers)

        #expect(Self.bits(again) == Self.bits(kept))
    }

    @Test(arguments: [0, 1])
    func aLaneIsPureWhereverItLiesAndOnWhateverThreadItRuns(_ index: Int) throws {
        let fixture = try LayerFixture.load()[index]
        try prepareProducts(threadCount: 8)
        let reference = Self.bits(LayerRun(fixture))
        for leadingFloats in [1, 17, 100, 1000, 5000] {
            #expect(Self.bits(LayerRun(fixture, leadingFloats: leadingFloats)) == reference)
        }

        let results = Mutex<[[[UInt32]]]>([])
        DispatchQueue.concurrentPerform(iterations: 8) { iteration in
            let found = Self.bits(LayerRun(fixture, leadingFloats: 16 * iteration))
            results.withLock { $0.append(found) }
        }
        let found = results.withLock { $0 }
        #expect(found.count == 8)
        #expect(found.allSatisfy { $0 == reference })
    }
}
