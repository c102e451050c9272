// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hashing
import Models
import Objectives
import Primitives

@testable import Checkpoints
@testable import ClusterRuntime
@testable import Datasets
@testable import Tokenization
@testable import Training
@testable import WeightFiles

/// Files that may come from anywhere, and what checkpoints hold.
extension FuzzedDecoder {
    static let files = [
        stateFile(), safetensors(), annotations(), vocabulary(), configuration(), summary(),
        keyFile(), manifest(),
    ]

    /// The checksum keeps mutations out, so they are made to what it covers, too.
    private static func stateFile() -> FuzzedDecoder {
        let state = StateFile(
            step: Step(4), stateHash: [UInt8](repeating: 3, count: 32), snapshot: [1, 2, 3])
        return FuzzedDecoder("state-file", seeds: { [state.header + state.snapshot] }) {
            { bytes in
                let head = StateFile.headerBytes - Digest.byteCount
                var hasher = Hasher256()
                hasher.update(Array(bytes.prefix(head)))
                hasher.update(Array(bytes.dropFirst(StateFile.headerBytes)))
                let repaired =
                    Array(bytes.prefix(head)) + hasher.finish().bytes
                    + bytes.dropFirst(StateFile.headerBytes)
                let read = try StateFile(decoding: repaired)
                try expect("a state file reads back") { read.header + read.snapshot == repaired }
            }
        }
    }

    /// The bytes behind the header (u32), then the header.
    private static func safetensors() -> FuzzedDecoder {
        let header = """
            {"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],\
            "data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[],"data_offsets":[24,26]}}
            """
        return FuzzedDecoder("safetensors", seeds: { [[26, 0, 0, 0] + Array(header.utf8)] }) {
            { bytes in
                var reader = ByteReader(bytes)
                let dataBytes = Int(try reader.read(UInt32.self, "data bytes"))
                let header = try SafetensorsHeader(
                    parsing: Array(bytes.dropFirst(4)), dataBytes: dataBytes, path: "f")
                try expect("tensors fill the data") {
                    header.entries.values.reduce(0) { $0 + $1.bytes.count } == dataBytes
                        && header.entries.values.allSatisfy {
                            $0.shape.reduce(1, *) * $0.type.byteCount == $0.bytes.count
                        }
                }
            }
        }
    }

    private static func annotations() -> FuzzedDecoder {
        let text = """
            [{"id": "65344345758570000200", "title": "标题", "asr": "a\\u00e9",
              "ocr": [{"time": 0, "text": "x"}, null], "category_id": "1609"}, {"id": "7"}]
            """
        return FuzzedDecoder("annotations", seeds: { [Array(text.utf8)] }) {
            { bytes in
                for annotation in try AnnotationFile.decode(Data(bytes), "f") {
                    try AnnotationFile.Entry(path: "f", index: 0).checkIdentity(annotation.id)
                    let clip = annotation.clip(in: "/clips")
                    try expect("a video lies in its folder") {
                        // By bytes: a slash with a combining mark is another character.
                        clip.path.utf8.starts(with: "/clips/videos/".utf8)
                            && !clip.path.utf8.contains("/../".utf8)
                    }
                }
            }
        }
    }

    private static func vocabulary() -> FuzzedDecoder {
        let tokens = Vocabulary.specialTokens + ["a", "##b", "节", "Å", "\u{212B}", "ab"]
        let text = Array((tokens.joined(separator: "\n") + "\n").utf8)
        return FuzzedDecoder("vocabulary", seeds: { [text] }) {
            { bytes in
                let vocabulary = try Vocabulary(bytes: bytes, path: "f")
                try expect("every token has its number") {
                    vocabulary.tokens.indices.allSatisfy {
                        vocabulary.id(of: vocabulary.tokens[$0]) == Int32($0)
                    }
                }
                let tokenizer = WordPieceTokenizer(vocabulary: vocabulary)
                _ = tokenizer.tokenize(String(decoding: bytes, as: UTF8.self))
            }
        }
    }

    private static func configuration() -> FuzzedDecoder {
        var configuration = RunConfiguration()
        configuration.data.directory = "clips"
        let text = configuration.resolvedYAML
        return FuzzedDecoder("configuration", seeds: { [Array(text.utf8)] }) {
            { bytes in
                let text = String(decoding: bytes, as: UTF8.self)
                let configuration = try RunConfiguration(yaml: text, file: "f")
                try expect("a configuration reads back") {
                    let again = try RunConfiguration(yaml: configuration.resolvedYAML, file: "f")
                    return again.resolvedYAML == configuration.resolvedYAML
                }
            }
        }
    }

    private static func summary() -> FuzzedDecoder {
        var summary = StepSummary(step: 3)
        summary.loss = .nan
        summary.learningRate = 0.0002
        let value = summary
        return coding(
            "step-summary", seeds: { [try value.encode()] },
            decode: { try StepSummary(decoding: $0) }, encode: { try $0.encode() })
    }

    private static func keyFile() -> FuzzedDecoder {
        let text = "# workers\nworker-1  Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID\n"
        return FuzzedDecoder("key-file", seeds: { [Array(text.utf8)] }) {
            { bytes in
                let text = String(decoding: bytes, as: UTF8.self)
                for line in try KeyFile(path: "f").lines(of: text) {
                    try expect("a key has 40 characters") { line.key.utf8.count == 40 }
                }
            }
        }
    }

    private static func manifest() -> FuzzedDecoder {
        let state = StateFile(
            step: Step(4), stateHash: [UInt8](repeating: 3, count: 32), snapshot: [1, 2, 3])
        return coding(
            "manifest", seeds: { [try CheckpointManifest(state).encode()] },
            decode: { try JSONDecoder().decodeUntrusted(CheckpointManifest.self, from: Data($0)) },
            encode: { try $0.encode() })
    }

    // MARK: - Snapshot

    /// Of a model with two thousand parameters.
    private static func tinyReplica() -> Replica {
        var configuration = RunConfiguration()
        configuration.data.frameCount = 2
        configuration.data.frameSize = 8
        configuration.data.tokenCountMax = 9
        configuration.model.width = 8
        configuration.model.layerCount = 1
        configuration.model.headCount = 2
        configuration.model.feedForwardWidth = 12
        configuration.model.visionLayerCount = 1
        configuration.model.patchSize = 4
        configuration.model.projectionWidth = 5
        configuration.memoryBank.capacity = 10
        return Replica(
            configuration,
            .init(
                vocabularyCount: 20,
                specialTokens: .init(mask: 4, separator: 3, all: [0, 1, 2, 3, 4]),
                stepCount: 9))
    }

    /// Checksums keep mutations out, so the small sections are mutated beneath them: a section's
    /// number, and what stands in it instead; or the number 255 and a whole snapshot.
    static func snapshot() -> FuzzedDecoder {
        let seeds: @Sendable () throws -> [[UInt8]] = {
            let whole = tinyReplica().encodeSnapshot()
            return [[255] + whole.prefix(600)]
                + [0, 1, 6, 7].map { [UInt8($0)] + section($0, of: whole) }
        }
        return FuzzedDecoder("snapshot", seeds: seeds) {
            let replica = tinyReplica()
            let valid = replica.encodeSnapshot()
            return { bytes in
                guard let number = bytes.first else { return }
                let rest = Array(bytes.dropFirst())
                try replica.restore(
                    number == 255 ? rest : replace(Int(number % 8), by: rest, valid))
                try expect("a snapshot reads back") {
                    let once = replica.encodeSnapshot()
                    try replica.restore(once)
                    return replica.encodeSnapshot() == once
                }
            }
        }
    }

    /// Name, payload bytes, checksum, payload.
    private static func sections(_ snapshot: [UInt8]) throws -> [(name: String, payload: [UInt8])] {
        var reader = ByteReader(snapshot.dropFirst(16))
        var sections: [(name: String, payload: [UInt8])] = []
        while reader.remainingBytes > 0 {
            let name = try reader.readString("name")
            let count = try reader.read(UInt64.self, "count")
            _ = try reader.readBlock("checksum")
            sections.append((name, Array(try reader.readRaw(Int(count), "payload"))))
        }
        return sections
    }

    private static func section(_ number: Int, of snapshot: [UInt8]) -> [UInt8] {
        (try? sections(snapshot)[number].payload) ?? []
    }

    private static func replace(
        _ number: Int, by payload: [UInt8], _ snapshot: [UInt8]
    ) throws -> [UInt8] {
        var writer = ByteWriter()
        snapshot.prefix(16).withUnsafeBytes { writer.write(raw: $0) }
        for (index, section) in try sections(snapshot).enumerated() {
            let bytes = index == number ? payload : section.payload
            writer.write(section.name)
            writer.write(UInt64(bytes.count))
            writer.write(block: Digest(of: bytes).bytes)
            bytes.withUnsafeBytes { writer.write(raw: $0) }
        }
        return writer.bytes
    }
}
