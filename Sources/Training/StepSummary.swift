// SPDX-License-Identifier: Apache-2.0
import Datasets
import Foundation
import Hashing
import Primitives

/// What a committed step was like: the payload of its row in the ledger.
package struct StepSummary: Codable, Equatable, Sendable {
    package var step: UInt64
    /// A gradient was not finite; nothing was updated.
    package var skipped: Bool
    /// Clips that were read; masked ones are not counted.
    package var clipCount: Int
    /// Which clips those were: `digest(ofClips:)` as the lanes told it, in hexadecimal.
    package var clips: String
    /// The weighted sum that was minimised.
    package var loss: Double
    /// Mean cross-entropy per chosen token.
    package var maskedLanguageLoss: Double
    /// Mean InfoNCE per row that has both views of a direction, over directions by their shares.
    package var alignmentLoss: Double
    /// The same of each term, if there are several.
    package var alignmentTerms: [String: Double]?
    /// Mean cross-entropy per pair, and the share of pairs told right; nil if the loss is off.
    package var matchingLoss: Double?
    package var matchingAccuracy: Double?
    /// That of the step's losses; nil if it is not learnt.
    package var temperature: Float?
    /// Mean age in steps of the keys that the banks held; nil while they were empty.
    package var bankAge: Double?
    package var gradientNorm: Double
    package var learningRate: Float

    /// JSON with sorted keys, so that equal summaries are equal bytes. Losses of a skipped step may
    /// not be finite, which JSON numbers cannot say; they become the texts below.
    package func encode() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: Self.infinity, negativeInfinity: "-" + Self.infinity,
            nan: Self.notANumber)
        return Array(try encoder.encode(self))
    }

    package init(decoding bytes: [UInt8]) throws {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: Self.infinity, negativeInfinity: "-" + Self.infinity,
            nan: Self.notANumber)
        self = try decoder.decodeUntrusted(Self.self, from: Data(bytes))
    }

    /// Proof of what a step consumed, for `accord verify`.
    ///
    /// - Parameter clipIndices: in the order of lanes, and of rows within a lane.
    package static func digest(ofClips clipIndices: some Sequence<Int>) -> String {
        var writer = ByteWriter()
        for index in clipIndices { writer.write(UInt32(index)) }
        return Digest(of: writer.bytes).description
    }

    private static let infinity = "infinity"
    private static let notANumber = "not a number"

    init(step: UInt64) {
        self.step = step
        skipped = false
        clipCount = 0
        clips = Self.digest(ofClips: [])
        loss = 0
        maskedLanguageLoss = 0
        alignmentLoss = 0
        gradientNorm = 0
        learningRate = 0
    }
}
