// SPDX-License-Identifier: Apache-2.0
import Hashing
import Models
import Tensors
import WeightFiles

/// Files from which a new run takes parameters instead of the seeded ones.
///
/// What `accord export` has written gives all of them. A published BERT gives the text stream, the
/// image half of a published CLIP the vision tower; what nobody gives stays as it is.
package struct StartingWeights {
    private let sources: [WeightDirectory]

    /// Opens folders, or safetensors files of `accord export`.
    package init(_ paths: [String]) throws(WeightFileFailure) {
        var sources: [WeightDirectory] = []
        for path in paths { sources.append(try WeightDirectory(folderOrFile: path)) }
        self.sources = sources
    }

    /// SHA-256 of every file with parameters, as `sha256sum` shows it.
    package func digests() throws(WeightFileFailure) -> [(path: String, digest: Digest)] {
        var digests: [(path: String, digest: Digest)] = []
        for file in sources.flatMap(\.weightFiles) {
            var hasher = Hasher256()
            try file.forEachPiece { hasher.update($0) }
            digests.append((file.path, hasher.finish()))
        }
        return digests
    }

    /// Replaces what the files give.
    ///
    /// - Parameter parameters: laid out by `model.layout`; half replaced when it throws.
    /// - Returns: what was loaded from where, and what was not, a sentence each.
    package func load(
        into parameters: FloatVector, of model: SingleStreamModel
    ) throws(WeightFileFailure) -> [String] {
        var givers: [String: String] = [:]
        var sentences: [String] = []
        for source in sources {
            let given = try GivenParameters(source, for: model)
            for entry in given.entries {
                if let other = givers.updateValue(source.path, forKey: entry.name) {
                    throw WeightFileFailure(
                        source.path, "parameter \(entry.name)",
                        expected: "parameters that nothing else gives",
                        found: "that \(other) gives it, too")
                }
                (parameters.pointer + entry.offset).update(
                    from: given.values.pointer + entry.offset, count: entry.count)
            }
            let names = Self.summary(given.entries.map(\.name), of: model)
            sentences.append("starts from \(source.path) (\(given.kind)): \(names)")
        }
        let seeded = model.layout.entries.map(\.name).filter { givers[$0] == nil }
        if !seeded.isEmpty {
            sentences.append("from the seed: \(Self.summary(seeded, of: model))")
        }
        return sentences
    }

    /// Names of parts, in the order of the model: "embeddings.word, encoder layers".
    private static func summary(_ names: [String], of model: SingleStreamModel) -> String {
        guard names.count < model.layout.entries.count else { return "all parameters" }
        var parts: [String] = []
        for name in names {
            let words = name.split(separator: ".")
            let isLayer = Int(words[1]) != nil
            let isAlone = words.count == 2 && ["weight", "bias"].contains(words[1])
            let part =
                isLayer
                ? "\(words[0]) layers" : words.prefix(isAlone ? 1 : 2).joined(separator: ".")
            if parts.last != part { parts.append(part) }
        }
        return parts.joined(separator: ", ")
    }
}
