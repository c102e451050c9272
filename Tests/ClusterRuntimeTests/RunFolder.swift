// SPDX-License-Identifier: Apache-2.0
import ClusterRuntime
import Foundation
import Training

/// A run directory that goes away with its last reference.
final class RunFolder: Sendable {
    let path = FileManager.default.temporaryDirectory.appending(path: "run-\(UUID())").path

    var directory: RunDirectory { RunDirectory(path) }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// One that a coordinator would accept.
    static var configuration: RunConfiguration {
        var configuration = RunConfiguration()
        configuration.data.directory = "clips"
        return configuration
    }

    /// Creates the folder.
    init() throws {
        try directory.prepare(Self.configuration)
        try directory.adopt(Self.configuration)
    }

    func write(_ text: String, to path: String) throws {
        try Data(text.utf8).write(to: URL(filePath: path))
    }
}
