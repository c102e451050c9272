// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives
import Tensors
import Testing
import WeightFiles

@Suite struct SafetensorsWriterTests {
    private let folder: TemporaryFolder
    private let vector = FloatVector(count: 40)

    init() throws {
        folder = try TemporaryFolder()
        for index in 0..<40 { vector.pointer[index] = Float(index) / 3 }
        vector.pointer[17] = Float(bitPattern: 0xFFC1_2345)
        vector.pointer[18] = -0.0
        vector.pointer[19] = .leastNonzeroMagnitude
    }

    private var tensors: [OutgoingTensor] {
        [
            OutgoingTensor("z", [2, 5], vector, offset: 16), OutgoingTensor("a", [], vector),
            OutgoingTensor("ä\n", [3, 0], vector, offset: 40),
        ]
    }

    private func write(_ name: String) throws -> String {
        let path = "\(folder.path)/\(name)"
        try SafetensorsWriter.write(tensors, metadata: ["format": "pt"], to: path)
        return path
    }

    @Test func whatIsWrittenIsReadBitByBit() throws {
        let file = try SafetensorsFile(try write("a.safetensors"))

        #expect(file.header.metadata == ["format": "pt"])
        #expect(Set(file.header.entries.keys) == ["z", "a", "ä\n"])
        #expect(file.header.entries["z"]?.shape == [2, 5])
        #expect(
            try file.readFloats("z").map(\.bitPattern)
                == vector.elements[16..<26].map(\.bitPattern))
        #expect(try file.readFloats("a") == [0])
        #expect(file.header.entries["ä\n"]?.shape == [3, 0])
    }

    @Test func equalTensorsGiveEqualBytesAndDataIsAligned() throws {
        let paths = [try write("a.safetensors"), try write("b.safetensors")]
        let contents = try paths.map { [UInt8](try Data(contentsOf: URL(filePath: $0))) }

        #expect(contents[0] == contents[1])
        #expect(contents[0][0].isMultiple(of: 8))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 2)
    }

    @Test func aTargetThatCannotBeWrittenStaysAsItWas() throws {
        let target = "\(folder.path)/folder"
        try FileManager.default.createDirectory(
            atPath: "\(target)/inside", withIntermediateDirectories: true)
        for path in [target, "\(folder.path)/absent/a.safetensors"] {
            let failure = #expect(throws: WeightFileFailure.self) {
                try SafetensorsWriter.write(tensors, to: path)
            }
            #expect(failure?.exitFailure.reason == .storageFailed)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["folder"])
    }
}
