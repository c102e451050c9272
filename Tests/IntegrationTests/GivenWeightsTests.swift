// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import WeightFiles

/// `--init` with real processes: a run that begins from the export of another.
@Suite(.serialized) struct GivenWeightsTests {
    private let workplace: Workplace
    private let model: URL

    init() throws {
        workplace = try Workplace.shared.get()
        model = try Self.model.get()
    }

    /// What three steps of another run have made of its parameters.
    private static let model = Result {
        let workplace = try Workplace.shared.get()
        let configuration = try workplace.writeConfiguration(
            replacing: ["epochCount": "1", "seed": "8"], named: "teacher.yaml")
        return try export(configuration, to: "model", workplace)
    }

    private static func export(
        _ configuration: URL, to name: String, _ workplace: Workplace
    ) throws -> URL {
        let run = workplace.newRun()
        let out = workplace.directory.appending(path: "\(name)-\(UUID())")
        for arguments in [
            [
                "launch", "--config", configuration.path, "--run", run.path, "--workers", "1",
                "--threads", "1",
            ], ["export", "--run", run.path, "--out", out.path],
        ] {
            let outcome = try AccordProcess.run(arguments, logsIn: workplace.directory)
            guard outcome.exitCode == 0 else {
                throw Workplace.SetUpFailed(text: outcome.errors)
            }
        }
        return out
    }

    /// The undisturbed run of one worker that begins from the model.
    private static let reference = Result {
        let cluster = try Cluster(
            Workplace.shared.get(), workerCount: 1, initialPath: try model.get())
        try cluster.addWorker()
        return try cluster.finish().stateHash
    }

    private func expectReference(
        _ cluster: Cluster, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let status = try cluster.finish()
        #expect(status.step == status.stepCount, sourceLocation: sourceLocation)
        let reference = try Self.reference.get()
        #expect(status.stateHash == reference, sourceLocation: sourceLocation)
        let verification = try cluster.verification()
        #expect(verification.exitCode == 0, "\(verification)", sourceLocation: sourceLocation)
        #expect(verification.output.contains(model.path), sourceLocation: sourceLocation)
    }

    private func launch(_ run: URL, _ arguments: String...) throws -> AccordProcess.Outcome {
        try AccordProcess.run(
            [
                "launch", "--config", workplace.configuration.path, "--run", run.path,
                "--threads", "1",
            ] + arguments, logsIn: workplace.directory)
    }

    private func expect(
        _ outcome: AccordProcess.Outcome, code: Int32, saying parts: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(outcome.exitCode == code, "\(outcome.errors)", sourceLocation: sourceLocation)
        for part in parts {
            #expect(
                outcome.errors.contains(part), "\(outcome.errors)", sourceLocation: sourceLocation)
        }
    }

    // MARK: - The same bits

    @Test func twoWorkersEndWhereOneDoesAndNotWhereTheSeedLeads() throws {
        let cluster = try Cluster(workplace, workerCount: 2, initialPath: model)
        try cluster.addWorkers(2)

        try expectReference(cluster)
        #expect(try Self.reference.get() != SameBitsTests.reference.get())
    }

    @Test func theStateOfStepZeroIsTheFile() throws {
        let cluster = try Cluster(workplace, workerCount: 1, initialPath: model)
        _ = try cluster.waitForEndpoint()
        defer { cluster.coordinator.signal(SIGKILL) }

        let out = workplace.directory.appending(path: "back-\(UUID())")
        let export = try AccordProcess.run(
            ["export", "--run", cluster.run.path, "--out", out.path], logsIn: workplace.directory)

        #expect(export.output.hasSuffix(": step 0\n"), "\(export.errors)")
        let files = try [model, out].map {
            try Data(contentsOf: $0.appending(path: "model.safetensors"))
        }
        #expect(files[0] == files[1])
        let state = try Data(
            contentsOf: cluster.run.appending(path: "checkpoints/step-000000000/state.bin"))
        #expect(try occurrences(of: Self.wordEmbedding(in: files[0]), in: state) == 2)
    }

    /// The first parameter, which stands as it is in the state: of the query and the key encoder.
    private static func wordEmbedding(in file: Data) throws -> Data {
        let length = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        let header = try JSONSerialization.jsonObject(with: file[8..<8 + length])
        let entry = (header as? [String: [String: Any]])?["embeddings.word.weight"]
        let offsets = try #require(entry?["data_offsets"] as? [Int])
        return Data(file[8 + length + offsets[0]..<8 + length + offsets[1]])
    }

    private func occurrences(of part: Data, in whole: Data) throws -> Int {
        var count = 0
        var rest = whole.startIndex..<whole.endIndex
        while let found = whole.range(of: part, in: rest) {
            count += 1
            rest = found.upperBound..<whole.endIndex
        }
        return count
    }

    @Test func theCoordinatorIsKilledAndGoesOnWithoutTheFile() throws {
        let folder = workplace.directory.appending(path: "passing-\(UUID())")
        try FileManager.default.copyItem(at: model, to: folder)
        let first = try Cluster(workplace, workerCount: 1, initialPath: folder)
        _ = try first.waitForEndpoint()
        try first.coordinator.killNow()
        try FileManager.default.removeItem(at: folder)

        let outcome = try launch(first.run, "--workers", "2")

        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        #expect(outcome.output.contains("state hash \(try #require(try Self.reference.get()))"))
    }

    @Test func everythingIsKilledAndResumedWithTheSameInit() throws {
        let cluster = try Cluster(workplace, workerCount: 2, initialPath: model)
        try cluster.addWorkers(2)

        try cluster.strikeAtRandom(51) { try $0.killEverything() }
        try cluster.restartCoordinator(workerCount: 3)
        try cluster.addWorkers(3)

        try expectReference(cluster)
        #expect(cluster.strikes.count == 1)
    }

    // MARK: - Refusals

    @Test func aBadFileEndsTheLaunchBeforeAnythingIsThere() throws {
        let cut = workplace.directory.appending(path: "cut-\(UUID()).safetensors")
        let file = model.appending(path: "model.safetensors")
        try Data(contentsOf: file).dropLast(4).write(to: cut)
        let run = workplace.newRun()

        expect(
            try launch(run, "--init", cut.path), code: 66, saying: cut.path, "tensor ", "expected",
            "found [")
        expect(
            try launch(run, "--init", "/nowhere/model"), code: 66,
            saying: "/nowhere/model: expected a readable file", "No such file")
        let coordinator = try AccordProcess.run(
            [
                "coordinator", "--config", workplace.configuration.path, "--run", run.path,
                "--init", cut.path,
            ], logsIn: workplace.directory)
        expect(coordinator, code: 66, saying: cut.path)
        #expect(!FileManager.default.fileExists(atPath: run.path))
    }

    @Test func aModelOfOtherSizesIsRefused() throws {
        let narrow = try workplace.writeConfiguration(
            replacing: ["epochCount": "1", "projectionWidth": "16"], named: "narrow.yaml")
        let other = try Self.export(narrow, to: "narrow", workplace)
        let file = other.appending(path: "model.safetensors").path

        expect(
            try launch(workplace.newRun(), "--init", other.path), code: 66,
            saying: "\(other.path)/config.json: key \"projectionWidth\"", "expected 32",
            "found 16")
        expect(
            try launch(workplace.newRun(), "--init", file), code: 66,
            saying: "\(file): tensor \"textProjection.weight\"", "expected shape [32, 64]",
            "found shape [16, 64]")
    }

    @Test func aTowerOfAPublisherThatDoesNotFitIsRefused() throws {
        let clip = Workplace.repository.appending(path: "Tests/Fixtures/clip_vision_tower").path

        expect(
            try launch(workplace.newRun(), "--init", clip), code: 66,
            saying: "\(clip)/config.json: key \"hidden_size\"", "expected 64", "model.width")
    }

    @Test func anExistingRunRefusesAnotherInit() throws {
        let cluster = try Cluster(workplace, workerCount: 1, initialPath: model)
        _ = try cluster.waitForEndpoint()
        try cluster.coordinator.killNow()
        let other = try Self.export(
            try workplace.writeConfiguration(
                replacing: ["epochCount": "1", "seed": "9"], named: "other-teacher.yaml"),
            to: "other", workplace)
        let seeded = try Cluster(workplace, workerCount: 1)
        _ = try seeded.waitForEndpoint()
        try seeded.coordinator.killNow()

        expect(
            try launch(cluster.run, "--init", other.path), code: 67,
            saying: "\(cluster.run.path) does not start from \(other.path)", model.path,
            "Leave --init out to resume, or use another --run")
        expect(
            try launch(seeded.run, "--init", model.path), code: 67, saying: seeded.run.path,
            "it began from its seed")
        let status = try AccordProcess.run(
            ["status", "--run", cluster.run.path], logsIn: workplace.directory)
        #expect(status.output.contains("began from       \(model.path)/model.safetensors (SHA-256"))
    }
}
