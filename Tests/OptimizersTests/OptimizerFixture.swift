// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Fixtures/optimizer.json, written by Fixtures/Generators/optimizer.py.
struct OptimizerFixture: Decodable {
    struct Update: Decodable {
        let learningRate: Double
        let gradientScale: Double
        let gradients: [[Double]]
        let parameters: [[Double]]
    }

    struct Adam: Decodable {
        let beta1: Double
        let beta2: Double
        let epsilon: Double
        let weightDecay: Double
        let start: [[Double]]
        let updates: [Update]
    }

    struct Schedule: Decodable {
        let peak: Double
        let warmUpSteps: Int
        let stepCount: Int
        let rates: [Double]
    }

    struct Norm: Decodable {
        let gradient: [Double]
        let norm: Double
    }

    let adamw: Adam
    let schedules: [Schedule]
    let norms: [Norm]

    static func load() throws -> OptimizerFixture {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Fixtures/optimizer.json")
        return try JSONDecoder().decode(OptimizerFixture.self, from: Data(contentsOf: file))
    }
}
