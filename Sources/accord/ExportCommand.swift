// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterRuntime
import Foundation
import Models
import Primitives
import Tensors
import Training
import WeightFiles

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write the parameters of the newest checkpoint as safetensors.",
        discussion: """
            Writes model.safetensors, F32, under the names of this program, and config.json with \
            the sizes of the model; see docs/weights.md. Optimizer, key encoder and memory bank \
            stay in the checkpoint.
            """)

    @Option(name: .customLong("run"), help: "Run directory.")
    var runPath: String

    @Option(help: "Folder to write; it is created and must not hold a model.")
    var out: String

    func run() throws {
        let run = try RestoredRun(runPath)
        let path = "\(out)/model.safetensors"
        guard !FileManager.default.fileExists(atPath: path) else {
            throw ExitFailure(
                .storageFailed, "\(path) is already there; choose another --out, or remove it")
        }
        do {
            try FileManager.default.createDirectory(
                atPath: out, withIntermediateDirectories: true)
        } catch {
            throw ExitFailure(.storageFailed, "\(out): \(error.localizedDescription)")
        }
        do {
            try write(run, to: path)
        } catch {
            throw error.exitFailure
        }
        print("wrote \(out): step \(run.step)")
    }

    private func write(_ run: RestoredRun, to path: String) throws(WeightFileFailure) {
        let replica = run.replica
        try SafetensorsWriter.write(
            replica.model.layout.entries.map {
                OutgoingTensor($0.name, $0.shape, replica.parameters, offset: $0.offset)
            }, to: path)
        try SafetensorsWriter.write(
            text: Self.sizes(of: replica.model, step: run.step).encoded(indentation: 0) + "\n",
            to: "\(out)/config.json")
    }

    /// With the names of docs/configuration.md.
    private static func sizes(of model: SingleStreamModel, step: Step) -> JSONValue {
        let (sizes, input) = (model.configuration, model.inputShape)
        return .object([
            "model_type": .text("accord_single_stream"), "step": .number("\(step)"),
            "width": .number("\(sizes.width)"), "layerCount": .number("\(sizes.layerCount)"),
            "headCount": .number("\(sizes.headCount)"),
            "feedForwardWidth": .number("\(sizes.feedForwardWidth)"),
            "visionLayerCount": .number("\(sizes.visionLayerCount)"),
            "patchSize": .number("\(sizes.patchSize)"),
            "projectionWidth": .number("\(sizes.projectionWidth)"),
            "frameCount": .number("\(input.frameCount)"),
            "frameSize": .number("\(input.frameSize)"),
            "tokenCountMax": .number("\(input.tokenCountMax)"),
            "vocabularyCount": .number("\(input.vocabularyCount)"),
        ])
    }
}
