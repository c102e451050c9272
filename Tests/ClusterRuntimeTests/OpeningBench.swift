// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import ClusterProtocol
import Datasets
import Foundation
import GRDB
import Logging
import Models
import PretrainedTowers
import Primitives
import Tensors

@testable import ClusterRuntime
@testable import Training

/// A data set of three clips, a run directory that is not there yet, and weights to start from.
final class OpeningBench {
    let path = FileManager.default.temporaryDirectory.appending(path: "opening-\(UUID())").path
    var configuration = RunConfiguration()

    var runPath: String { "\(path)/run" }
    var directory: RunDirectory { RunDirectory(runPath) }
    var store: CheckpointStore { CheckpointStore(directory: directory.checkpointsPath) }

    init() throws {
        let entries = Self.identifiers.map { "{\"id\": \"\($0)\", \"title\": \"a\"}" }
        try write(
            "[\(entries.joined(separator: ","))]", to: "clips/annotations/unlabeled.json")
        for id in Self.identifiers {
            let video = Clip.videoPath(id: id, in: "clips")
            try write("no video", to: video)
        }
        try write(Self.words.joined(separator: "\n"), to: "clips/vocab.txt")
        configuration.data.directory = "\(path)/clips"
        configuration.data.frameCount = 2
        configuration.data.frameSize = 16
        configuration.data.tokenCountMax = 8
        configuration.model.width = 8
        configuration.model.layerCount = 1
        configuration.model.headCount = 2
        configuration.model.feedForwardWidth = 12
        configuration.model.visionLayerCount = 1
        configuration.model.projectionWidth = 5
        configuration.memoryBank.capacity = 10
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    private static let identifiers = ["clip1", "clip2", "clip3"]
    static let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"]

    func write(_ text: String, to name: String) throws {
        let file = URL(filePath: "\(path)/\(name)")
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
    }

    /// A replica of the configuration, from its seed.
    func replica() throws -> Replica {
        let setup = try RunSetup(configuration)
        return Replica(setup.configuration, setup.surroundings)
    }

    /// A folder as `accord export` writes it, every parameter `scale` times its seeded value.
    func export(scale: Float, to name: String) throws -> String {
        let replica = try replica()
        let vector = FloatVector(count: replica.parameters.count)
        for place in 0..<vector.count {
            vector.pointer[place] = scale * replica.parameters.pointer[place]
        }
        let folder = "\(path)/\(name)"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        try ExportedModel(replica.model, vector).write(
            to: folder, step: 9, vocabulary: Self.words)
        return folder
    }

    /// Opens the run as a coordinator does, and ends.
    @discardableResult
    func open(_ initialPaths: String...) throws -> CoordinatorLog {
        let opened = try RunOpening(
            setup: try RunSetup(configuration), directory: directory, initialPaths: initialPaths,
            logger: Logger(label: "test")
        ).open()
        defer { close(opened.lock) }
        return try opened.ledger.restore()
    }

    func run(_ sql: String) throws {
        try DatabaseQueue(path: directory.ledgerPath).write { try $0.execute(sql: sql) }
    }

    func publishedState() throws -> Replica {
        let replica = try replica()
        try replica.restore(try store.checkpoint(of: .initial)?.snapshot ?? [])
        return replica
    }
}
