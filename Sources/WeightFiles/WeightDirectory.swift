// SPDX-License-Identifier: Apache-2.0

/// A model as its publisher lays it out: config.json beside model.safetensors, or beside an index
/// and the shards that it names.
///
/// - Source: `save_pretrained` of huggingface/transformers.
package struct WeightDirectory {
    private static let singleName = "model.safetensors"
    private static let indexName = "model.safetensors.index.json"
    /// Files stay open, and a process may have about a thousand.
    package static let shardCountMax = 256

    package let path: String
    /// False for a file that stands alone.
    package let isFolder: Bool
    /// config.json; null for a file that stands alone.
    package let configuration: JSONValue
    private let files: [String: SafetensorsFile]

    package var configurationPath: String { "\(path)/config.json" }

    package init(_ path: String) throws(WeightFileFailure) {
        self.path = path
        isFolder = true
        configuration = try Self.json("\(path)/config.json")
        files = try Self.openFiles(path)
    }

    /// A folder as above, or a safetensors file without any configuration.
    package init(folderOrFile path: String) throws(WeightFileFailure) {
        guard !OpenFile.isFolder(path) else {
            self = try WeightDirectory(path)
            return
        }
        self.path = path
        isFolder = false
        configuration = .null
        let file = try SafetensorsFile(path)
        files = file.header.entries.mapValues { _ in file }
    }

    /// Those that hold tensors, in the order of their paths.
    package var weightFiles: [SafetensorsFile] {
        Dictionary(files.values.map { ($0.path, $0) }) { first, _ in first }
            .values.sorted { $0.path < $1.path }
    }

    /// Of all tensors, in no order.
    package var names: some Collection<String> { files.keys }

    /// Where the tensor lies and how it looks; nil if there is none of this name.
    package func find(
        _ name: String
    ) -> (file: SafetensorsFile, entry: SafetensorsHeader.Entry)? {
        guard let file = files[name], let entry = file.header.entries[name] else { return nil }
        return (file, entry)
    }

    private static func json(_ path: String) throws(WeightFileFailure) -> JSONValue {
        let file = try OpenFile(path)
        guard file.byteCount <= SafetensorsHeader.bytesMax else {
            throw WeightFileFailure(
                path, expected: "at most \(SafetensorsHeader.bytesMax) bytes",
                found: "\(file.byteCount)")
        }
        do {
            return try JSONValue(parsing: try file.readBytes(0..<file.byteCount))
        } catch let fault as JSONValue.Fault {
            throw WeightFileFailure(
                path, expected: "JSON", found: "a fault at byte \(fault.offset): \(fault.rule)")
        } catch let failure as WeightFileFailure {
            throw failure
        } catch {
            throw WeightFileFailure(path, expected: "JSON", found: "\(error)")
        }
    }

    private static func openFiles(
        _ path: String
    ) throws(WeightFileFailure) -> [String: SafetensorsFile] {
        let single = "\(path)/\(singleName)"
        let index = "\(path)/\(indexName)"
        let isSharded = !OpenFile.exists(single) && OpenFile.exists(index)
        guard isSharded else {
            let file = try SafetensorsFile(single)
            return file.header.entries.mapValues { _ in file }
        }
        guard let map = try json(index)["weight_map"]?.members else {
            throw WeightFileFailure(
                index, "key \"weight_map\"", expected: "an object from tensor to file",
                found: "none")
        }
        return try openShards(map, path, index)
    }

    private static func openShards(
        _ map: [String: JSONValue], _ path: String, _ index: String
    ) throws(WeightFileFailure) -> [String: SafetensorsFile] {
        var shards: [String: SafetensorsFile] = [:]
        var files: [String: SafetensorsFile] = [:]
        for (name, value) in map.sorted(by: { $0.key < $1.key }) {
            let subject = "tensor \(WeightFileFailure.quoted(name))"
            guard let shard = value.text, isPlainName(shard) else {
                throw WeightFileFailure(
                    index, subject, expected: "the name of a file beside the index",
                    found: value.summary)
            }
            if shards[shard] == nil {
                guard shards.count < shardCountMax else {
                    throw WeightFileFailure(
                        index, expected: "at most \(shardCountMax) files", found: "more")
                }
                shards[shard] = try SafetensorsFile("\(path)/\(shard)")
            }
            guard let file = shards[shard], file.header.entries[name] != nil else {
                throw WeightFileFailure(
                    "\(path)/\(shard)", subject, expected: "this tensor, as \(indexName) says",
                    found: "none of this name")
            }
            files[name] = file
        }
        return files
    }

    /// No way out of the folder, and nothing that a terminal would act on: errors show the name.
    private static func isPlainName(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".."
            && !name.unicodeScalars.contains { $0 == "/" || WeightFileFailure.isHidden($0) }
    }
}
