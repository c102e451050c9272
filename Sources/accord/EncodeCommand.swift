// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import PretrainedTowers
import Primitives
import Tensors
import WeightFiles

struct EncodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "encode",
        abstract: "Run a published BERT or CLIP image tower over tensors in a file.",
        discussion: """
            The model is a folder with config.json and model.safetensors, or the index and its \
            shards, as the transformers library writes it; see docs/weights.md.

            BERT reads input_ids [B, T] and, if they are there, attention_mask and token_type_ids; \
            it writes last_hidden_state [B, T, D] (zero where the mask is 0) and pooled [B, D], \
            the mean of the rest. CLIP reads pixel_values [B, 3, H, W], normalised, and writes \
            last_hidden_state [B, P + 1, D] and pooler_output [B, D].
            """)

    @Option(help: "Folder of the model.")
    var model: String

    @Option(help: "A safetensors file with the inputs.")
    var inputs: String

    @Option(help: "The safetensors file to write, F32; it is replaced as a whole.")
    var out: String

    func validate() throws {
        try require(path: model, of: "--model")
        try require(path: inputs, of: "--inputs", toName: "a file")
        try require(path: out, of: "--out", toName: "a file")
    }

    func run() throws {
        try prepareProducts(threadCount: 1)
        do {
            let tower = try PretrainedTower(contentsOf: model)
            let outputs = try TowerEncoder(tower).encode(try SafetensorsFile(inputs))
            try SafetensorsWriter.write(outputs, to: out)
            for output in outputs { print("\(output.name) \(output.shape)") }
        } catch {
            throw error.exitFailure
        }
    }
}
