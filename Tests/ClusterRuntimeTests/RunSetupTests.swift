// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives
import Testing
import Tokenization
import Training

@testable import ClusterRuntime

/// Who needs the clips, and what is said to whom if they are not there.
@Suite struct RunSetupTests {
    private let bench: OpeningBench
    private var clips: String { bench.configuration.data.directory }

    init() throws { bench = try OpeningBench() }

    private func refusal(isNew: Bool) -> String? {
        let failure = #expect(throws: ExitFailure.self) {
            try RunSetup(bench.configuration, isNew: isNew)
        }
        #expect(failure?.reason == .dataInvalid)
        return failure?.message
    }

    /// Clips of ours must not take the place of the user's own.
    @Test(arguments: ["", "/annotations"])
    func onlyANewRunIsToldToSynthesize(_ part: String) throws {
        try FileManager.default.removeItem(atPath: clips + part)

        let hint = "accord synthesize --clips N --out \(clips)"
        #expect(refusal(isNew: true)?.contains(hint) == true)
        #expect(refusal(isNew: false)?.contains("synthesize") == false)
    }

    @Test func anotherSplitIsNoReasonToSynthesize() throws {
        try FileManager.default.moveItem(
            atPath: "\(clips)/annotations/unlabeled.json",
            toPath: "\(clips)/annotations/other.json")

        #expect(refusal(isNew: true)?.contains("synthesize") == false)
    }

    @Test func aModelNeedsTheVocabularyAlone() throws {
        let whole = try RunSetup(bench.configuration)
        try FileManager.default.removeItem(atPath: "\(clips)/annotations")
        try FileManager.default.removeItem(atPath: "\(clips)/videos")

        let model = try ModelSetup(bench.configuration, stepCount: whole.stepCount)

        #expect(model.vocabulary.tokens == whole.vocabulary.tokens)
        #expect(model.surroundings.vocabularyCount == whole.surroundings.vocabularyCount)
        #expect(model.surroundings.stepCount == whole.stepCount)
    }
}
