// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import WeightFiles

/// `accord encode` and `accord export` as a user runs them.
@Suite(.serialized) struct EncodeTests {
    private let workplace: Workplace
    private let folder: URL

    init() throws {
        workplace = try Workplace.shared.get()
        folder = workplace.directory.appending(path: "encode-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    private static let fixtures = Workplace.repository.appending(path: "Tests/Fixtures")

    private func encode(_ model: URL, _ inputs: URL) throws -> AccordProcess.Outcome {
        try AccordProcess.run(
            [
                "encode", "--model", model.path, "--inputs", inputs.path, "--out",
                folder.appending(path: "outputs.safetensors").path,
            ], logsIn: folder)
    }

    /// The inputs of a golden in a file of their own, byte for byte; names lose their prefix.
    private func inputs(of golden: URL, _ names: [String], prefix: String = "") throws -> URL {
        let all = try Data(contentsOf: golden)
        let file = try SafetensorsFile(golden.path)
        let headerBytes = all.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        var data = Data()
        var members: [String: JSONValue] = [:]
        for name in names {
            let entry = try file.entry(prefix + name)
            let start = data.count
            data += all[8 + headerBytes..<all.count].dropFirst(entry.bytes.lowerBound)
                .prefix(entry.bytes.count)
            members[name] = .object([
                "dtype": .text(entry.type.rawValue),
                "shape": .array(entry.shape.map { .number("\($0)") }),
                "data_offsets": .array([.number("\(start)"), .number("\(data.count)")]),
            ])
        }
        let header = Data(JSONValue.object(members).encoded().utf8)
        let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) }
        let path = folder.appending(path: "inputs.safetensors")
        try (length + header + data).write(to: path)
        return path
    }

    /// Within 1e-5 of the largest, as in PretrainedTowersTests.
    private func expectAgreement(_ name: String, _ golden: SafetensorsFile, _ key: String) throws {
        let outputs = try SafetensorsFile(folder.appending(path: "outputs.safetensors").path)
        let (found, expected) = (try outputs.readFloats(name), try golden.readFloats(key))
        let largest = expected.reduce(0) { max($0, abs($1)) }
        #expect(outputs.header.entries[name]?.shape == golden.header.entries[key]?.shape)
        #expect(found.count == expected.count && largest > 0)
        #expect(zip(found, expected).allSatisfy { abs($0 - $1) <= 1e-5 * largest }, "\(name)")
        #expect(!zip(found, expected).allSatisfy { abs(1.01 * $0 - $1) <= 1e-5 * largest })
    }

    @Test func textsGiveTheVectorsOfTheReference() throws {
        let model = Self.fixtures.appending(path: "bert_tower")
        let golden = model.appending(path: "golden.safetensors")
        let outcome = try encode(
            model,
            try inputs(of: golden, ["input_ids", "attention_mask", "token_type_ids"]))

        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        #expect(outcome.output == "last_hidden_state [3, 7, 16]\npooled [3, 16]\n")
        let file = try SafetensorsFile(golden.path)
        try expectAgreement("last_hidden_state", file, "gelu.last_hidden_state")
        try expectAgreement("pooled", file, "gelu.pooled")
    }

    @Test func imagesGiveTheVectorsOfTheReference() throws {
        let model = Self.fixtures.appending(path: "clip_vision_tower")
        let golden = model.appending(path: "golden.safetensors")
        let outcome = try encode(
            model, try inputs(of: golden, ["pixel_values"], prefix: "quick_gelu."))

        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        #expect(outcome.output == "last_hidden_state [2, 10, 16]\npooler_output [2, 16]\n")
        let file = try SafetensorsFile(golden.path)
        try expectAgreement("last_hidden_state", file, "quick_gelu.last_hidden_state")
        try expectAgreement("pooler_output", file, "quick_gelu.pooler_output")
    }

    private func expect(
        _ outcome: AccordProcess.Outcome, code: Int32, saying parts: String...
    ) {
        #expect(outcome.exitCode == code && !outcome.endedBySignal, "\(outcome.errors)")
        #expect(outcome.errors.hasPrefix("error: "))
        for part in parts { #expect(outcome.errors.contains(part), "\(outcome.errors)") }
    }

    @Test func whatIsWrongIsNamedWithADocumentedCode() throws {
        let model = Self.fixtures.appending(path: "bert_tower")
        let golden = model.appending(path: "golden.safetensors")
        let inputs = try inputs(of: golden, ["input_ids"])
        let cut = folder.appending(path: "cut.safetensors")
        try Data(contentsOf: inputs).dropLast().write(to: cut)

        expect(
            try encode(folder, inputs), code: 66, saying: "config.json", "a readable file",
            "No such file")
        expect(
            try encode(model, folder.appending(path: "absent")), code: 66, saying: "absent",
            "a readable file")
        expect(
            try encode(model, cut), code: 66, saying: "cut.safetensors: tensor \"input_ids\"",
            "end <= 167", "found [0, 168]")
        expect(
            try encode(model, golden), code: 66, saying: "only the inputs", "tensor \"cotangent\"")
        let outcome = try AccordProcess.run(
            [
                "encode", "--model", model.path, "--inputs", inputs.path, "--out",
                "/nowhere/outputs.safetensors",
            ], logsIn: folder)
        expect(outcome, code: 73, saying: "/nowhere/outputs.safetensors", "No such file")
        let incomplete = try AccordProcess.run(["encode"], logsIn: folder)
        #expect(incomplete.exitCode == 64 && incomplete.errors.contains("--model"))
        let help = try AccordProcess.run(["encode", "--help"], logsIn: folder)
        #expect(help.exitCode == 0 && help.output.contains("pooler_output"))
    }

    @Test func theParametersOfARunAreExported() throws {
        let configuration = try workplace.writeConfiguration(
            replacing: ["epochCount": "1"], named: "export.yaml")
        let run = workplace.newRun()
        let launch = try AccordProcess.run(
            [
                "launch", "--config", configuration.path, "--workers", "1", "--threads", "1",
                "--run", run.path,
            ], logsIn: folder)
        #expect(launch.exitCode == 0, "\(launch.errors)")
        let out = folder.appending(path: "model")
        let arguments = ["export", "--run", run.path, "--out", out.path]
        let outcome = try AccordProcess.run(arguments, logsIn: folder)
        let file = try SafetensorsFile(out.appending(path: "model.safetensors").path)
        let sizes = try JSONValue(parsing: try Data(contentsOf: out.appending(path: "config.json")))

        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        #expect(sizes["model_type"] == .text("accord_single_stream"))
        #expect(sizes["step"] == .number("3"))
        let width = try #require(sizes["width"]?.integer)
        let vocabularyCount = try #require(sizes["vocabularyCount"]?.integer)
        #expect(
            file.header.entries["embeddings.word.weight"]?.shape == [vocabularyCount, width])
        // Norms begin at one, so that one of them which moved is a trained one.
        let scale = try file.readFloats("encoder.0.output.norm.weight")
        #expect(scale.contains { $0 != 1 } && scale.allSatisfy { abs($0 - 1) < 0.1 })
        expect(
            try AccordProcess.run(arguments, logsIn: folder), code: 73, saying: "already there")
    }
}
