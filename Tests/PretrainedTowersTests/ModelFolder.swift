// SPDX-License-Identifier: Apache-2.0
import Foundation
import Tensors
import WeightFiles

/// A copy of a fixture's model that a test may rename, cut and bend; gone when the test ends.
final class ModelFolder {
    let path: String
    private let source: GoldenTower
    /// Names and shapes of what is written; the numbers are those of the fixture.
    var tensors: [(name: String, original: String, shape: [Int])]

    init(_ fixture: String) throws {
        source = try GoldenTower(fixture)
        let url = FileManager.default.temporaryDirectory.appending(path: "accord-\(UUID())")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
        let file = try SafetensorsFile("\(source.directory)/model.safetensors")
        tensors = file.header.entries.sorted { $0.key < $1.key }.map {
            ($0.key, $0.key, $0.value.shape)
        }
        try FileManager.default.copyItem(
            atPath: "\(source.directory)/config.json", toPath: "\(path)/config.json")
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func rename(_ change: (String) -> String) {
        for index in tensors.indices { tensors[index].name = change(tensors[index].name) }
    }

    /// - Parameter file: nil = all tensors into the single file.
    func write(
        _ tensors: [(name: String, original: String, shape: [Int])]? = nil,
        to file: String = "model.safetensors"
    ) throws {
        let source = try SafetensorsFile("\(source.directory)/model.safetensors")
        let outgoing = try (tensors ?? self.tensors).map { name, original, shape in
            let values = try source.readFloats(original)
            let vector = FloatVector(count: max(values.count, shape.reduce(1, *)))
            for (index, value) in values.enumerated() { vector.pointer[index] = value }
            return OutgoingTensor(name, shape, vector)
        }
        try SafetensorsWriter.write(outgoing, to: "\(path)/\(file)")
    }

    func writeConfiguration(_ change: (inout [String: JSONValue]) -> Void) throws {
        let bytes = try Data(contentsOf: URL(filePath: "\(source.directory)/config.json"))
        var members = try JSONValue(parsing: bytes).members ?? [:]
        change(&members)
        try SafetensorsWriter.write(
            text: JSONValue.object(members).encoded(), to: "\(path)/config.json")
    }
}
