// SPDX-License-Identifier: Apache-2.0
import Foundation
import PretrainedTowers
import Tensors
import Testing
import WeightFiles

@Suite struct TowerEncoderTests {
    private func encoder(_ fixture: GoldenTower) throws -> TowerEncoder {
        TowerEncoder(try PretrainedTower(contentsOf: fixture.directory))
    }

    /// Encodes a file and reads the outputs back.
    private func encode(_ inputs: RawTensors, _ fixture: GoldenTower) throws -> SafetensorsFile {
        let folder = try ModelFolder("bert_tower")
        let path = "\(folder.path)/inputs.safetensors"
        try Data(inputs.bytes).write(to: URL(filePath: path))
        let outputs = try encoder(fixture).encode(try SafetensorsFile(path))
        try SafetensorsWriter.write(outputs, to: "\(folder.path)/outputs.safetensors")
        return try SafetensorsFile("\(folder.path)/outputs.safetensors")
    }

    private func texts(_ fixture: GoldenTower) throws -> RawTensors {
        var inputs = RawTensors()
        for name in ["input_ids", "attention_mask", "token_type_ids"] {
            inputs.add(name, [3, 7], try fixture.golden.readIntegers(name))
        }
        return inputs
    }

    @Test func textsAgreeAndMaskedPlacesAreZero() throws {
        let fixture = try GoldenTower("bert_tower")
        let outputs = try encode(try texts(fixture), fixture)

        #expect(outputs.header.entries["last_hidden_state"]?.shape == [3, 7, 16])
        let hidden = try outputs.readFloats("last_hidden_state")
        #expect(agree(hidden, try fixture.floats("gelu.last_hidden_state")))
        #expect(hidden[11 * 16..<14 * 16].allSatisfy { $0 == 0 })
        #expect(hidden[14 * 16..<16 * 16].allSatisfy { $0 == 0 })
        let pooled = try outputs.readFloats("pooled")
        #expect(agree(pooled, try fixture.floats("gelu.pooled")))
        #expect(!agree(pooled, try fixture.floats("gelu.pooled"), scale: 1.01))
    }

    @Test(arguments: ["quick_gelu", "interpolated"])
    func imagesAgree(_ run: String) throws {
        let fixture = try GoldenTower("clip_vision_tower")
        var inputs = RawTensors()
        let name = "\(run).pixel_values"
        inputs.add(
            "pixel_values", try fixture.golden.entry(name).shape, try fixture.floats(name))
        let outputs = try encode(inputs, fixture)

        for name in ["last_hidden_state", "pooler_output"] {
            let found = try outputs.readFloats(name)
            #expect(
                outputs.header.entries[name]?.shape
                    == fixture.golden.header.entries["\(run).\(name)"]?.shape)
            #expect(agree(found, try fixture.floats("\(run).\(name)")), "\(name)")
        }
    }

    /// More rows than are run together, and a text of which nothing is taken.
    @Test func manyTextsAreSplitAndPutTogether() throws {
        let fixture = try GoldenTower("bert_tower")
        let copyCount = 60
        var inputs = RawTensors()
        for name in ["input_ids", "attention_mask", "token_type_ids"] {
            let row = try fixture.golden.readIntegers(name)
            let all = (0..<copyCount).flatMap { _ in row } + [Int64](repeating: 0, count: 7)
            inputs.add(name, [3 * copyCount + 1, 7], all)
        }
        let hidden = try encode(inputs, fixture).readFloats("last_hidden_state")
        let expected = try fixture.floats("gelu.last_hidden_state")

        #expect(hidden.count == (3 * copyCount + 1) * 7 * 16)
        for copy in 0..<copyCount {
            let part = hidden[copy * expected.count..<(copy + 1) * expected.count]
            #expect(agree(Array(part), expected), "copy \(copy)")
        }
        #expect(hidden.suffix(7 * 16).allSatisfy { $0 == 0 })
    }

    @Test func withoutMaskAndTypesAllIsTakenAndOfTypeZero() throws {
        let fixture = try GoldenTower("bert_tower")
        let ids = try fixture.golden.readIntegers("input_ids")
        var plain = RawTensors()
        plain.add("input_ids", [3, 7], ids.map(Int32.init))
        var full = RawTensors()
        full.add("input_ids", [3, 7], ids)
        full.add("attention_mask", [3, 7], [Int64](repeating: 1, count: 21))
        full.add("token_type_ids", [3, 7], [Int64](repeating: 0, count: 21))

        #expect(
            try encode(plain, fixture).readFloats("pooled")
                == encode(full, fixture).readFloats("pooled"))
    }

    struct BadInput: Sendable, CustomTestStringConvertible {
        let name: String
        let fixture: String
        let inputs: RawTensors
        let says: [String]
        var testDescription: String { name }

        init(
            _ name: String, _ fixture: String, _ says: String..., build: (inout RawTensors) -> Void
        ) {
            self.name = name
            self.fixture = fixture
            self.says = says
            var inputs = RawTensors()
            build(&inputs)
            self.inputs = inputs
        }
    }

    static let badInputs = [
        BadInput("nothing", "bert_tower", "tensor \"input_ids\"", "found none") { _ in },
        BadInput("an unknown name", "bert_tower", "tensor \"attention_masks\"", "only the inputs") {
            $0.add("input_ids", [1, 2], [1, 2] as [Int64])
            $0.add("attention_masks", [1, 2], [1, 1] as [Int64])
        },
        BadInput("a flat list", "bert_tower", "shape [texts, tokens]", "found shape [2]") {
            $0.add("input_ids", [2], [1, 2] as [Int64])
        },
        BadInput("no tokens", "bert_tower", "1 to 9 tokens", "found shape [5, 0]") {
            $0.add("input_ids", [5, 0], [] as [Int64])
        },
        BadInput("too many tokens", "bert_tower", "1 to 9 tokens", "found shape [1, 10]") {
            $0.add("input_ids", [1, 10], [Int64](repeating: 1, count: 10))
        },
        BadInput("tokens that are floats", "bert_tower", "I64 or I32", "found F32") {
            $0.add("input_ids", [1, 2], [1, 2] as [Float])
        },
        BadInput("a token too large", "bert_tower", "from 0 to 49", "found 50 at [1, 0]") {
            $0.add("input_ids", [2, 2], [1, 2, 50, 3] as [Int64])
        },
        BadInput("a negative token", "bert_tower", "from 0 to 49", "found -1 at [0, 1]") {
            $0.add("input_ids", [1, 2], [1, -1] as [Int32])
        },
        BadInput("a mask of twos", "bert_tower", "tensor \"attention_mask\"", "from 0 to 1") {
            $0.add("input_ids", [1, 2], [1, 2] as [Int64])
            $0.add("attention_mask", [1, 2], [1, 2] as [Int64])
        },
        BadInput("another shape", "bert_tower", "shape [1, 2], as input_ids", "shape [2, 1]") {
            $0.add("input_ids", [1, 2], [1, 2] as [Int64])
            $0.add("token_type_ids", [2, 1], [0, 0] as [Int64])
        },
        BadInput("channels last", "clip_vision_tower", "[images, 3, height, width]") {
            $0.add("pixel_values", [1, 4, 4, 3], [Float](repeating: 0, count: 48))
        },
        BadInput("half a patch", "clip_vision_tower", "multiples of the patch", "[1, 3, 6, 4]") {
            $0.add("pixel_values", [1, 3, 6, 4], [Float](repeating: 0, count: 72))
        },
        BadInput("no height", "clip_vision_tower", "found shape [1, 3, 0, 4]") {
            $0.add("pixel_values", [1, 3, 0, 4], [] as [Float])
        },
        BadInput("too many patches", "clip_vision_tower", "fewer than 16384 patches") {
            $0.add("pixel_values", [1, 3, 512, 512], [Float](repeating: 0, count: 3 << 18))
        },
        BadInput("integers", "clip_vision_tower", "F32, F16 or BF16", "found I64") {
            $0.add("pixel_values", [1, 3, 4, 4], [Int64](repeating: 0, count: 48))
        },
    ]

    @Test(arguments: badInputs) func aBadInputIsNamed(_ input: BadInput) throws {
        let fixture = try GoldenTower(input.fixture)
        let failure = #expect(throws: WeightFileFailure.self) {
            try encode(input.inputs, fixture)
        }
        let text = failure?.description ?? ""
        #expect(text.contains("inputs.safetensors: tensor "))
        for part in input.says { #expect(text.contains(part), "\(text)") }
    }

    @Test func noImagesGiveNoRows() throws {
        var inputs = RawTensors()
        inputs.add("pixel_values", [0, 3, 12, 12], [] as [Float])
        let outputs = try encode(inputs, try GoldenTower("clip_vision_tower"))
        #expect(outputs.header.entries["last_hidden_state"]?.shape == [0, 10, 16])
        #expect(outputs.header.entries["pooler_output"]?.shape == [0, 16])
    }
}

/// A safetensors file of numbers of several types, which our writer does not write.
struct RawTensors: Sendable {
    private var descriptions: [String] = []
    private var data: [UInt8] = []

    mutating func add(_ name: String, _ shape: [Int], _ values: [Int64]) {
        add(name, "I64", shape, values)
    }

    mutating func add(_ name: String, _ shape: [Int], _ values: [Int32]) {
        add(name, "I32", shape, values)
    }

    mutating func add(_ name: String, _ shape: [Int], _ values: [Float]) {
        add(name, "F32", shape, values.map(\.bitPattern))
    }

    private mutating func add<Value: FixedWidthInteger>(
        _ name: String, _ type: String, _ shape: [Int], _ values: [Value]
    ) {
        let start = data.count
        for value in values { withUnsafeBytes(of: value.littleEndian) { data += $0 } }
        descriptions.append(
            "\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":\(shape),"
                + "\"data_offsets\":[\(start),\(data.count)]}")
    }

    var bytes: [UInt8] {
        let header = Array("{\(descriptions.joined(separator: ","))}".utf8)
        return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header + data
    }
}
