// SPDX-License-Identifier: Apache-2.0
import Foundation
import NeuralNetworks
import Tensors
import Testing

struct TransformerLayerTests {
    /// Whether all elements agree within 1e-5 of the largest: some hundred f32 roundings.
    private func agree(_ found: [Float], _ expected: [Double], scale: Double = 1) -> Bool {
        let largest = expected.reduce(1e-2) { max($0, abs($1)) }
        return found.count == expected.count
            && zip(found, expected).allSatisfy {
                abs(scale * Double($0.0) - $0.1) <= 1e-5 * largest
            }
    }

    @Test(arguments: [0, 1])
    func outputAndAllGradientsAgreeWithNumPy(_ index: Int) throws {
        let fixture = try LayerFixture.load()[index]
        let run = LayerRun(fixture)

        #expect(run.layout.entries.map(\.name).sorted() == fixture.parameters.keys.sorted())
        #expect(agree(run.output, fixture.output))
        #expect(fixture.gradients.count == run.layout.entries.count + 1)
        for (name, expected) in fixture.gradients {
            #expect(agree(run.gradient(of: name), expected), "\(name)")
            // A key bias moves all scores of a query alike, so its gradient is zero.
            if name != "layer.attention.key.bias" {
                #expect(!agree(run.gradient(of: name), expected, scale: 1.01), "\(name)")
            }
        }
    }

    @Test func preAndPostNormalizationDiffer() throws {
        let fixtures = try LayerFixture.load()
        #expect(fixtures.map(\.normalization) == ["post", "pre"])
        #expect(!agree(LayerRun(fixtures[0]).output, fixtures[1].output))
    }

    @Test(arguments: [0, 1])
    func aLaneIsPureWhereverItLiesAndOnWhateverThreadItRuns(_ index: Int) throws {
        let fixture = try LayerFixture.load()[index]
        func bits(_ run: LayerRun) -> [[UInt32]] {
            [run.output, run.inputGradient, Array(run.parameterGradients.elements)]
                .map { $0.map(\.bitPattern) }
        }
        configureSingleThreadedBLAS()
        let reference = bits(LayerRun(fixture))
        for leadingFloats in [1, 17, 100, 1000, 5000] {
            #expect(bits(LayerRun(fixture, leadingFloats: leadingFloats)) == reference)
        }

        let results = ThreadResults()
        DispatchQueue.concurrentPerform(iterations: 8) { iteration in
            results.append(bits(LayerRun(fixture, leadingFloats: 16 * iteration)))
        }
        #expect(results.values.count == 8)
        #expect(results.values.allSatisfy { $0 == reference })
    }
}

/// What threads have found.
// Sendable: every access holds the lock.
private final class ThreadResults: @unchecked Sendable {
    private let lock = NSLock()
    private var found: [[[UInt32]]] = []

    var values: [[[UInt32]]] { lock.withLock { found } }

    func append(_ result: [[UInt32]]) { lock.withLock { found.append(result) } }
}
