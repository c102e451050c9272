// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// `--init`, of the commands that may create a run.
struct InitialWeightsOption: ParsableArguments {
    @Option(
        name: .customLong("init"),
        help: ArgumentHelp(
            """
            Start a new run from these weights instead of the seed: a folder or safetensors file \
            of accord export, or a folder with a published BERT or CLIP; may be given twice, for \
            text and vision. See docs/weights.md. Resuming does without. (default: the seed)
            """, valueName: "path"))
    var paths: [String] = []

    /// "model/" is what a shell completes; it stands in the ledger and in messages.
    mutating func validate() throws {
        for path in paths { try require(path: path, of: "--init", toName: "a folder or file") }
        paths = paths.map { path in
            let end = path.lastIndex { $0 != "/" } ?? path.startIndex
            return String(path.prefix(through: end))
        }
    }
}
