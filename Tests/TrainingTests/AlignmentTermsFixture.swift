// SPDX-License-Identifier: Apache-2.0
import Datasets
import Foundation
import Models
import Objectives
import Primitives
import Tensors

@testable import Training

/// Fixtures/alignment_terms.json, written by Fixtures/Generators/alignment_terms.py.
struct AlignmentTermsFixture: Decodable {
    struct Clip: Decodable {
        let tokens: [Int32]
        let frames: [UInt8]
    }

    struct Direction: Decodable {
        let sum: Double
        let count: Int
    }

    struct Case: Decodable {
        let terms: String
        let directions: [Direction]
        /// The logarithm of the temperature over its initial value; nil if it is fixed.
        let learned: Float?
        let distillation: Float
        let negatives: Bool
        let matching: String?
        let matchingLoss: Double?
        let matchingCount: Int?
        /// Only of parameters that have one.
        let gradient: [String: [Double]]
    }

    let temperature: Float
    let step: UInt64
    let seed: Int
    let start, key: [String: [Float]]
    let clips: [Clip]
    let bankClips: [Int]
    /// By view, [keys x width].
    let banks: [String: [Float]]
    let cases: [String: Case]

    static func load() throws -> AlignmentTermsFixture {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Fixtures/alignment_terms.json")
        return try JSONDecoder().decode(AlignmentTermsFixture.self, from: Data(contentsOf: file))
    }

    /// The sizes stand in the generator.
    func configuration(_ example: Case) throws -> RunConfiguration {
        var result = TinyRun(laneCount: 1, microbatchSize: clips.count).configuration
        result.seed = seed
        result.model.layerCount = 2
        result.model.projectionWidth = 6
        result.memoryBank.capacity = bankClips.count
        result.objectives.maskedLanguageWeight = 0
        result.objectives.temperature = temperature
        result.objectives.temperatureRule = example.learned == nil ? .fixed : .learned
        result.objectives.alignmentTerms =
            try AlignmentPlan(text: example.terms) ?? { throw UnknownTerms(text: example.terms) }()
        result.objectives.distillation = example.distillation
        result.objectives.denominator = example.negatives ? .negatives : .full
        if let matching = example.matching.flatMap(MatchingNegatives.init) {
            result.objectives.matchingWeight = 1
            result.objectives.matchingNegatives = matching
        }
        return result
    }

    struct UnknownTerms: Error { let text: String }

    /// Whose encoders and banks are those of the fixture.
    func replica(_ example: Case, _ configuration: RunConfiguration) -> Replica {
        let replica = Replica(
            configuration,
            .init(
                vocabularyCount: TinyRun.vocabularyCount,
                specialTokens: .init(mask: 4, separator: 3, all: [0, 1, 2, 3, 4]), stepCount: 12))
        for (vector, values) in [(replica.parameters, start), (replica.keyParameters, key)] {
            for entry in replica.model.layout.entries {
                let given = values[entry.name] ?? [example.learned ?? 0]
                for (offset, value) in given.enumerated() {
                    vector.pointer[entry.offset + offset] = value
                }
            }
        }
        replica.roundParameters()
        for view in replica.banks.views {
            let keys = banks["\(view)"] ?? []
            let width = configuration.model.projectionWidth
            replica.bank(view).enqueue(
                bankClips.enumerated().map { place, clip in
                    .init(clipIndex: clip, key: Array(keys[place * width..<(place + 1) * width]))
                }, step: Step(1))
        }
        return replica
    }

    var microbatch: Microbatch {
        let rows = clips.enumerated().map { index, clip in
            ClipRow(
                clipIndex: index,
                frames: clip.frames.isEmpty
                    ? nil
                    : DecodedClip(frames: clip.frames, frameCount: clip.frames.count / 192),
                tokens: clip.tokens)
        }
        return Microbatch(
            step: Step(step), lane: 0, rows: rows, plannedRowCount: rows.count,
            plannedRowCountOfStep: rows.count)
    }
}
