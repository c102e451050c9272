// SPDX-License-Identifier: Apache-2.0
import Foundation
import Tensors
import Testing
import WeightFiles

@Suite struct WeightDirectoryTests {
    private let folder: TemporaryFolder
    private let vector = FloatVector(count: 4)

    init() throws {
        folder = try TemporaryFolder()
        try folder.write(Array("{\"model_type\":\"bert\"}".utf8), to: "config.json")
    }

    private func shard(_ name: String, _ tensors: [String]) throws {
        try SafetensorsWriter.write(
            tensors.map { OutgoingTensor($0, [4], vector) }, to: "\(folder.path)/\(name)")
    }

    private func index(_ map: String) throws {
        try folder.write(Array(map.utf8), to: "model.safetensors.index.json")
    }

    @Test func tensorsOfAllShardsAreFound() throws {
        try shard("one.safetensors", ["a", "b"])
        try shard("two.safetensors", ["c"])
        try index(
            "{\"metadata\":{\"total_size\":48},\"weight_map\":{\"a\":\"one.safetensors\","
                + "\"b\":\"one.safetensors\",\"c\":\"two.safetensors\"}}")

        let directory = try WeightDirectory(folder.path)

        #expect(Set(directory.names) == ["a", "b", "c"])
        #expect(directory.find("c")?.file.path.hasSuffix("two.safetensors") == true)
        #expect(directory.find("d") == nil)
        #expect(directory.configuration["model_type"] == .text("bert"))
    }

    @Test func aFileMayStandAlone() throws {
        try shard("any.safetensors", ["a", "b"])

        let alone = try WeightDirectory(folderOrFile: "\(folder.path)/any.safetensors")

        #expect(Set(alone.names) == ["a", "b"])
        #expect(!alone.isFolder && alone.configuration == .null)
        #expect(alone.weightFiles.map(\.path) == ["\(folder.path)/any.safetensors"])
        let absent = #expect(throws: WeightFileFailure.self) {
            try WeightDirectory(folderOrFile: "\(folder.path)/absent")
        }
        #expect(absent?.description.hasPrefix("\(folder.path)/absent: expected a readable") == true)
    }

    @Test func everyFileIsListedOnce() throws {
        try shard("two.safetensors", ["c"])
        try shard("one.safetensors", ["a", "b"])
        try index(
            "{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"one.safetensors\","
                + "\"c\":\"two.safetensors\"}}")

        let directory = try WeightDirectory(folderOrFile: folder.path)

        #expect(directory.isFolder)
        #expect(
            directory.weightFiles.map(\.path)
                == ["one", "two"].map { "\(folder.path)/\($0).safetensors" })
    }

    /// Of less than a piece, of whole pieces, and of pieces and a rest: 1 MiB each.
    @Test(arguments: [3, 262_144 - 18, 600_000]) func aFileComesInPieces(_ count: Int) throws {
        let path = "\(folder.path)/x.safetensors"
        let vector = FloatVector(count: count)
        for place in 0..<count { vector.pointer[place] = Float(place) }
        try SafetensorsWriter.write([OutgoingTensor("x", [count], vector)], to: path)

        var bytes: [UInt8] = []
        try SafetensorsFile(path).forEachPiece { bytes += Array($0) }

        #expect(try Data(contentsOf: URL(filePath: path)) == Data(bytes))
    }

    /// As the publisher's library does.
    @Test func aSingleFilePrecedesAnIndex() throws {
        try shard("model.safetensors", ["a"])
        try index("{}")

        #expect(Set(try WeightDirectory(folder.path).names) == ["a"])
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let index: String
        let says: [String]
        var testDescription: String { index }
    }

    @Test(arguments: [
        Refusal(index: "{", says: ["index.json", "JSON"]),
        Refusal(index: "{\"weight_map\":[]}", says: ["index.json", "key \"weight_map\""]),
        Refusal(
            index: "{\"weight_map\":{\"a\":3}}",
            says: ["tensor \"a\"", "name of a file", "found 3"]),
        Refusal(
            index: "{\"weight_map\":{\"a\":\"../one.safetensors\"}}",
            says: ["tensor \"a\"", "beside the index"]),
        Refusal(
            index: "{\"weight_map\":{\"a\":\"/etc/passwd\"}}",
            says: ["tensor \"a\"", "beside the index"]),
        Refusal(
            index: "{\"weight_map\":{\"a\":\"..\"}}", says: ["tensor \"a\"", "beside the index"]),
        Refusal(
            index: "{\"weight_map\":{\"a\":\"\\u001b[2J\"}}",
            says: ["tensor \"a\"", "beside the index", "found \"\u{FFFD}[2J\""]),
        Refusal(
            index: "{\"weight_map\":{\"a\":\"none.safetensors\"}}",
            says: ["none.safetensors", "No such file"]),
        Refusal(
            index: "{\"weight_map\":{\"b\":\"one.safetensors\"}}",
            says: ["one.safetensors: tensor \"b\"", "found none"]),
    ])
    func anIndexThatLiesIsRefused(_ refusal: Refusal) throws {
        try shard("one.safetensors", ["a"])
        try index(refusal.index)

        let failure = #expect(throws: WeightFileFailure.self) {
            try WeightDirectory(folder.path)
        }
        let text = failure?.description ?? ""
        for part in refusal.says { #expect(text.contains(part), "\(text)") }
    }

    @Test func tooManyShardsAreRefused() throws {
        let names = (0...WeightDirectory.shardCountMax).map { "shard\($0)" }
        for name in names { try shard(name, [name]) }
        let map = names.map { "\"\($0)\":\"\($0)\"" }.joined(separator: ",")
        try index("{\"weight_map\":{\(map)}}")

        let failure = #expect(throws: WeightFileFailure.self) {
            try WeightDirectory(folder.path)
        }
        #expect(failure?.description.contains("at most 256 files") == true)
    }

    @Test func aMissingModelIsNamed() throws {
        let failure = #expect(throws: WeightFileFailure.self) {
            try WeightDirectory(folder.path)
        }
        #expect(failure?.description.contains("/model.safetensors: ") == true)
        try FileManager.default.removeItem(atPath: "\(folder.path)/config.json")
        let other = #expect(throws: WeightFileFailure.self) { try WeightDirectory(folder.path) }
        #expect(other?.description.contains("/config.json: ") == true)
    }
}
