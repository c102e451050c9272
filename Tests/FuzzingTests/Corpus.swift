// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Corpus/<decoder>/: valid encodings, written by `make fuzz-corpus`, and inputs that once broke
/// something.
enum Corpus {
    static var folder: URL {
        URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Corpus")
    }

    /// By name.
    static func inputs(of decoder: FuzzedDecoder) throws -> [(name: String, bytes: [UInt8])] {
        let folder = folder.appending(path: decoder.name)
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
            .map { ($0, Array(try Data(contentsOf: folder.appending(path: $0)))) }
    }

    static func writeSeeds(of decoder: FuzzedDecoder) throws {
        let folder = folder.appending(path: decoder.name)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for (number, seed) in try decoder.seeds().enumerated() {
            try Data(seed).write(to: folder.appending(path: "valid-\(number)"))
        }
    }
}
