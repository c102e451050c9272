// SPDX-License-Identifier: Apache-2.0
import Foundation
import Models
import Tensors
import WeightFiles

/// A tower with the parameters that somebody has published.
package enum PretrainedTower {
    case bert(BERTTower, FloatVector)
    case clipVision(CLIPVisionTower, FloatVector)

    /// Reads config.json and the safetensors beside it, docs/weights.md.
    package init(contentsOf path: String) throws(WeightFileFailure) {
        let directory = try WeightDirectory(path)
        let file = TowerConfigurationFile(
            path: directory.configurationPath, root: directory.configuration)
        switch try file.kind() {
        case .bert(let configuration):
            let tower = BERTTower(configuration)
            self = .bert(tower, try ParameterTransfer.load(tower, from: directory))
        case .clipVision(let configuration):
            let tower = CLIPVisionTower(configuration)
            self = .clipVision(tower, try ParameterTransfer.load(tower, from: directory))
        }
    }

    /// Writes config.json and model.safetensors into a folder, which is created.
    package func write(to path: String) throws(WeightFileFailure) {
        try Self.createDirectory(path)
        let (tensors, configuration) =
            switch self {
            case .bert(let tower, let parameters):
                (ParameterTransfer.outgoing(tower, parameters), tower.configuration.file)
            case .clipVision(let tower, let parameters):
                (ParameterTransfer.outgoing(tower, parameters), tower.configuration.file)
            }
        // The publisher's programs look for this entry.
        try SafetensorsWriter.write(
            tensors, metadata: ["format": "pt"], to: "\(path)/model.safetensors")
        try SafetensorsWriter.write(
            text: configuration.encoded(indentation: 0) + "\n", to: "\(path)/config.json")
    }

    private static func createDirectory(_ path: String) throws(WeightFileFailure) {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true)
        } catch {
            throw WeightFileFailure(
                path, expected: "to create this folder", found: "\(error.localizedDescription)",
                kind: .storage)
        }
    }
}
