// SPDX-License-Identifier: Apache-2.0
import Datasets
import Foundation

/// A data set on disk that goes away with its scope.
final class TemporaryDataset: Sendable {
    let directory: String

    init() throws {
        directory =
            FileManager.default.temporaryDirectory
            .appending(path: "dataset-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: directory + "/annotations", withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    func write(annotations text: String, split: String = "train") throws {
        try Data(text.utf8).write(
            to: URL(fileURLWithPath: "\(directory)/annotations/\(split).json"))
    }

    func write(annotations: [[String: Any]], split: String = "train") throws {
        try JSONSerialization.data(withJSONObject: annotations)
            .write(to: URL(fileURLWithPath: "\(directory)/annotations/\(split).json"))
    }

    @discardableResult
    func writeVideo(id: String, bytes: [UInt8] = [1, 2, 3]) throws -> String {
        let path = Clip.videoPath(id: id, in: directory)
        try FileManager.default.createDirectory(
            atPath: URL(fileURLWithPath: path).deletingLastPathComponent().path,
            withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        return path
    }
}

/// Where the files of Tests/Fixtures are.
func fixture(_ name: String) throws -> Data {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent()
    return try Data(contentsOf: tests.appending(path: "Fixtures/\(name)"))
}
