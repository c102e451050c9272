// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hashing
import PretrainedTowers
import Primitives
import Tokenization
import Training
import WeightFiles

/// The complete state of step 0 of a run that begins from given weights.
///
/// Parameters and key encoder are those of the files, or seeded where no file gives any; moments
/// and counters are zero and the memory banks empty.
struct InitialState {
    let origin: RunOrigin
    /// What was loaded from where, and what was not.
    let sentences: [String]
    private let replica: Replica

    init(_ paths: [String], _ setup: RunSetup) throws(ExitFailure) {
        for path in paths { try Self.requireSameWords(path, setup) }
        let replica = Replica(setup.configuration, setup.surroundings)
        do throws(WeightFileFailure) {
            let weights = try StartingWeights(paths)
            var sentences: [String] = []
            try replica.begin { parameters throws(WeightFileFailure) in
                sentences = try weights.load(into: parameters, of: replica.model)
            }
            self.sentences = sentences
            origin = RunOrigin(files: try Self.files(weights), stateHash: replica.stateHash())
        } catch {
            throw error.exitFailure
        }
        self.replica = replica
    }

    func encodeSnapshot() -> [UInt8] { replica.encodeSnapshot() }

    /// Reads the files, but not what is in them.
    static func files(_ paths: [String]) throws(ExitFailure) -> [RunOrigin.File] {
        do throws(WeightFileFailure) {
            return try files(try StartingWeights(paths))
        } catch {
            throw error.exitFailure
        }
    }

    private static func files(
        _ weights: StartingWeights
    ) throws(WeightFileFailure) -> [RunOrigin.File] {
        try weights.digests().map { RunOrigin.File(path: $0.path, sha256: $0.digest) }
    }

    /// Vocabularies of one length are common, and parameters do not tell for which one they are:
    /// the one beside them does.
    private static func requireSameWords(
        _ path: String, _ setup: RunSetup
    ) throws(ExitFailure) {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else { return }
        let folder =
            isFolder.boolValue
            ? path : URL(filePath: path).deletingLastPathComponent().relativePath
        let beside = "\(folder)/vocab.txt"
        guard FileManager.default.fileExists(atPath: beside) else { return }
        let (own, other) = (setup.vocabulary.tokens, try Vocabulary(contentsOf: beside).tokens)
        guard own != other else { return }
        let place = zip(own, other).enumerated().first { $0.element.0 != $0.element.1 }?.offset
        throw ExitFailure(
            .dataInvalid,
            "\(beside) is another vocabulary than that of the run, "
                + "\(ModelSetup.vocabularyPath(setup.configuration)): \(other.count) tokens there, "
                + "\(own.count) here, the first difference in line "
                + "\((place ?? min(own.count, other.count)) + 1). Train with that vocabulary, or "
                + "start from other weights")
    }
}
