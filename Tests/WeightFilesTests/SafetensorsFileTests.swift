// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives
import Testing
import WeightFiles

@Suite struct SafetensorsFileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Fixtures/Generators/safetensors_types.py: written by the library of the format.
    private func types() throws -> SafetensorsFile {
        try SafetensorsFile(TemporaryFolder.fixture("types.safetensors"))
    }

    @Test func floatsOfTheReferenceLibraryAreReadBitByBit() throws {
        let file = try types()
        let f32 = try file.readFloats("f32")
        let numbers: [Float] = [0, -1.5, 65504, 0x1p-24, -0x1p-14, .infinity, 3.140625]

        #expect(file.header.entries["f32"]?.shape == [2, 3])
        let expected: [Float] = [0.1, -2, 3e38, .leastNonzeroMagnitude, .infinity, -0.0]
        #expect(f32.map(\.bitPattern) == expected.map(\.bitPattern))
        #expect(try file.readFloats("f16") == numbers)
        let bf16 = try file.readFloats("bf16")
        #expect(bf16[0] == 0 && bf16[1] == -1.5)
        #expect(bf16[2].bitPattern == 0x7F7F_0000, "the largest of bf16")
        #expect(bf16[3].bitPattern == 0x0001_0000, "a subnormal of bf16")
        #expect(try file.readFloats("scalar") == [42])
        #expect(file.header.entries["scalar"]?.shape == [])
        #expect(try file.readFloats("empty") == [])
        #expect(file.header.metadata["generator"] == "safetensors_types.py")
    }

    @Test func integersOfTheReferenceLibraryAreRead() throws {
        let file = try types()

        #expect(try file.readIntegers("i64") == [.min, .max])
        #expect(try file.readIntegers("i32") == [-1 << 31, 0, 1 << 31 - 1])
    }

    @Test(arguments: [
        ("f64", "dtype F32, F16 or BF16, found F64"), ("i64", "found I64"),
        ("bool", "found BOOL"), ("absent", "a tensor, found none of this name"),
    ])
    func whatCannotBeFloatsIsRefusedByName(_ name: String, _ says: String) throws {
        let file = try types()
        let failure = #expect(throws: WeightFileFailure.self) { try file.readFloats(name) }
        let text = failure?.description ?? ""
        #expect(text.contains("types.safetensors: tensor \"\(name)\"") && text.contains(says))
        #expect(failure?.exitFailure.reason == .dataInvalid)
    }

    @Test func floatsAreNotIntegers() throws {
        let file = try types()
        let failure = #expect(throws: WeightFileFailure.self) { try file.readIntegers("f32") }
        #expect(failure?.description.contains("dtype I64 or I32, found F32") == true)
    }

    /// All 65536, against the definition in double precision.
    @Test func everyHalfPrecisionNumberIsWidenedExactly() {
        var wrong: [UInt16] = []
        for bits in UInt16.min...UInt16.max {
            let value = HalfPrecision.float(f16: bits)
            let exponent = Int(bits >> 10 & 31)
            let mantissa = Double(bits & 1023)
            let magnitude =
                switch exponent {
                case 0: mantissa * 0x1p-24
                case 31: mantissa == 0 ? Double.infinity : .nan
                default:
                    (1024 + mantissa) * Double(sign: .plus, exponent: exponent - 25, significand: 1)
                }
            let isEqual =
                value.isNaN ? magnitude.isNaN : Double(value.magnitude) == magnitude
            if !isEqual || (value.sign == .minus) != (bits & 0x8000 != 0) { wrong.append(bits) }
        }
        #expect(wrong == [])
    }

    /// Longer than what is widened at a time.
    @Test func aLongTensorOfSixteenBitsIsReadWhole() throws {
        let count = 300_001
        let header =
            "{\"x\":{\"dtype\":\"BF16\",\"shape\":[\(count)],\"data_offsets\":[0,\(2 * count)]}}"
        // A pattern that no piece repeats.
        let numbers = (0..<count).map { UInt16($0 & 0x3F | $0 >> 4 & 0x3FC0) }
        let data = numbers.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
        let path = try folder.write(safetensors(header) + data, to: "long.safetensors")

        let floats = try SafetensorsFile(path).readFloats("x")

        #expect(floats.count == count)
        #expect(floats.indices.allSatisfy { floats[$0].bitPattern == UInt32(numbers[$0]) << 16 })
    }

    @Test(arguments: HostileFile.all)
    func aHostileFileIsRefusedWithPlaceRuleAndFinding(_ hostile: HostileFile) throws {
        let path = try folder.write(hostile.bytes, to: "hostile.safetensors")
        let failure = #expect(throws: WeightFileFailure.self) { try SafetensorsFile(path) }
        let text = failure?.description ?? ""
        #expect(
            text.hasPrefix("\(path): ") && text.contains("expected ") && text.contains("found "))
        for part in hostile.says { #expect(text.contains(part), "\(text)") }
    }

    /// The row that every other one differs from.
    @Test func theTensorThatTheHostileOnesDistortIsFine() throws {
        let header = "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}  \n"
        let path = try folder.write(safetensors(header, data: 8), to: "fine.safetensors")

        #expect(try SafetensorsFile(path).readFloats("x").count == 2)
    }

    /// Seeded damage: whatever comes, an error or a file whose tensors can all be read.
    @Test func damagedFilesNeverCrash() throws {
        let original = [UInt8](
            try Data(contentsOf: URL(filePath: TemporaryFolder.fixture("types.safetensors"))))
        var refusedCount = 0
        for seed in UInt64(0)..<1500 {
            var generator = SeededGenerator(seed: seed, purpose: .testing)
            var bytes = original
            for _ in 0...generator.next(below: 3) {
                let place = generator.next(below: bytes.count)
                switch generator.next(below: 3) {
                case 0: bytes[place] = UInt8(truncatingIfNeeded: generator.next())
                case 1: bytes.removeSubrange(place..<min(bytes.count, place + 3))
                default: bytes.insert(UInt8(ascii: "9"), at: place)
                }
            }
            let path = try folder.write(bytes, to: "damaged.safetensors")
            let opened = Result { try SafetensorsFile(path) }
            guard case .success(let file) = opened else {
                refusedCount += 1
                continue
            }
            for (name, entry) in file.header.entries where entry.type == .f32 {
                #expect(try file.readFloats(name).count == entry.count, "seed \(seed)")
            }
        }
        #expect(refusedCount > 500, "the damage must be seen")
    }

    @Test func aFileThatIsCutWhileItIsOpenIsAnError() throws {
        let header = "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}"
        let path = try folder.write(safetensors(header, data: 8), to: "cut.safetensors")
        let file = try SafetensorsFile(path)
        truncate(path, off_t(safetensors(header).count + 3))

        let failure = #expect(throws: WeightFileFailure.self) { try file.readFloats("x") }
        #expect(failure?.description.contains("the end of the file") == true)
    }

    @Test func whatIsNoFileIsRefused() throws {
        mkfifo("\(folder.path)/pipe", 0o600)
        for (name, says) in [
            ("absent", "No such file"), ("", "a folder or a device"),
            ("pipe", "a folder or a device"),
        ] {
            let failure = #expect(throws: WeightFileFailure.self) {
                try SafetensorsFile("\(folder.path)/\(name)")
            }
            #expect(failure?.description.contains(says) == true)
        }
    }
}
