// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterRuntime
import Datasets
import Foundation
import PretrainedTowers
import Primitives
import Tokenization
import Training
import WeightFiles

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write the parameters of the newest checkpoint as safetensors.",
        discussion: """
            Writes model.safetensors, F32, under the names of this program, config.json with the \
            sizes of the model, and its vocabulary as vocab.txt; see docs/weights.md. Optimizer, \
            key encoder and memory bank stay in the checkpoint. --init of accord launch and \
            accord coordinator starts a new run from it.
            """)

    @Option(name: .customLong("run"), help: "Run directory.")
    var runPath: String

    @Option(help: "Folder to write; it is created and must not hold a model.")
    var out: String

    func validate() throws {
        try require(path: runPath, of: "--run")
        try require(path: out, of: "--out")
    }

    func run() throws {
        let run = try RestoredRun(runPath)
        for name in ["model.safetensors", "config.json", "vocab.txt"] {
            let path = "\(out)/\(name)"
            guard !FileManager.default.fileExists(atPath: path) else {
                throw ExitFailure(
                    .storageFailed, "\(path) is already there; choose another --out, or remove it")
            }
        }
        try FileWriting.makeFolder(out)
        do {
            try ExportedModel(run.replica.model, run.replica.parameters).write(
                to: out, step: run.step.number, vocabulary: run.setup.vocabulary.tokens)
        } catch {
            throw error.exitFailure
        }
        print("wrote \(out): step \(run.step)")
    }
}
