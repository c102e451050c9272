// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import ClusterProtocol
import Foundation
import Hashing
import Objectives
import Optimizers
import Primitives
import Tensors
import Testing

@testable import ClusterRuntime
@testable import Training

/// How a run begins, from its seed or from given weights, and how it is found again.
@Suite struct RunOpeningTests {
    private let bench: OpeningBench
    private let weights: String

    init() throws {
        bench = try OpeningBench()
        weights = try bench.export(scale: 2, to: "weights")
    }

    private func refusal(
        _ reason: ExitReason, _ paths: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> String {
        let failure = try #require(
            throws: ExitFailure.self, sourceLocation: sourceLocation
        ) {
            if let path = paths.first { try bench.open(path) } else { try bench.open() }
        }
        #expect(failure.reason == reason, "\(failure)", sourceLocation: sourceLocation)
        return failure.message
    }

    // MARK: - A new run

    @Test func aRunWithoutInitBeginsFromItsSeed() throws {
        let log = try bench.open()

        #expect(!log.hasGivenState)
        #expect(try bench.store.newest() == nil)
        #expect(try bench.directory.existingRun()?.origin == nil)
        #expect(try bench.directory.configuration() == bench.configuration)
    }

    @Test func givenWeightsBecomeTheCheckpointOfStepZero() throws {
        let log = try bench.open(weights)

        let checkpoint = try #require(try bench.store.newest())
        #expect(log.hasGivenState && log.checkpoint == .initial)
        #expect(checkpoint.step == .initial)
        let origin = try #require(try bench.directory.existingRun()?.origin)
        let file = "\(weights)/model.safetensors"
        let content = try Data(contentsOf: URL(filePath: file))
        #expect(origin.files == [.init(path: file, sha256: Digest(of: content))])
        #expect(origin.stateHash.bytes == checkpoint.stateHash)
        let logged = try Ledger(path: bench.directory.ledgerPath).checkpoints()
        #expect(logged.map(\.step) == [.initial])
        #expect(logged.map(\.stateHash) == [checkpoint.stateHash])
    }

    @Test func theStateIsThatOfTheFileInBothEncoders() throws {
        try bench.open(weights)

        let state = try bench.publishedState()
        let seeded = try bench.replica()
        let expected = seeded.parameters.elements.map { 2 * $0 }
        #expect(Array(state.parameters.elements) == expected)
        #expect(Array(state.keyParameters.elements) == expected)
        #expect(state.optimizer.firstMoment.elements.allSatisfy { $0 == 0 })
        #expect(state.optimizer.secondMoment.elements.allSatisfy { $0 == 0 })
        #expect([.text, .video].allSatisfy { state.banks[$0]?.count == 0 })
        #expect(state.appliedStep == .initial && state.updateCount == 0)
        #expect(state.stateHash() == (try bench.directory.existingRun()?.origin?.stateHash))
    }

    @Test func aBadFileLeavesNoRunDirectory() throws {
        try bench.write("{}", to: "weights/model.safetensors")

        #expect(try refusal(.dataInvalid, weights).contains("\(weights)/model.safetensors"))
        #expect(try refusal(.dataInvalid, "/nowhere/model").contains("/nowhere/model: expected"))
        #expect(!FileManager.default.fileExists(atPath: bench.runPath))
    }

    @Test func weightsOfAnotherVocabularyAreRefused() throws {
        let swapped = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "b", "a"]
        try bench.write(swapped.joined(separator: "\n"), to: "weights/vocab.txt")

        let text = try refusal(.dataInvalid, weights)

        #expect(text.contains("\(weights)/vocab.txt is another vocabulary"))
        #expect(text.contains("clips/vocab.txt: 7 tokens there, 7 here"))
        #expect(text.contains("the first difference in line 6"))
        #expect(!FileManager.default.fileExists(atPath: bench.runPath))
    }

    @Test func aFileIsCheckedAgainstTheVocabularyBesideIt() throws {
        let swapped = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "b", "a"]
        try bench.write(swapped.joined(separator: "\n"), to: "weights/vocab.txt")

        let text = try refusal(.dataInvalid, "\(weights)/model.safetensors")

        #expect(text.contains("\(weights)/vocab.txt is another vocabulary"))
    }

    // MARK: - Resuming

    @Test func withoutAndWithTheSameInitTheRunGoesOn() throws {
        let log = try bench.open(weights)
        let before = try bench.store.newest()

        #expect(try bench.open() == log)
        #expect(try bench.open(weights) == log)
        let copy = "\(bench.path)/copy.safetensors"
        try FileManager.default.moveItem(atPath: "\(weights)/model.safetensors", toPath: copy)
        #expect(try bench.open(copy) == log, "the content counts, not the place")
        #expect(try bench.store.newest() == before)
    }

    @Test func anotherInitIsRefused() throws {
        let log = try bench.open(weights)
        let other = try bench.export(scale: 3, to: "other")

        let text = try refusal(.runDirectoryRefused, other)

        #expect(text.hasPrefix("\(bench.runPath) does not start from \(other): it began from"))
        #expect(text.contains("\(weights)/model.safetensors (SHA-256 "))
        #expect(text.contains("Leave --init out to resume, or use another --run"))
        #expect(try bench.open() == log)
    }

    @Test func filesThatAreGoneAreNotNeededAnyMore() throws {
        let log = try bench.open(weights)
        try FileManager.default.removeItem(atPath: weights)

        let text = try refusal(.dataInvalid, weights)

        #expect(text.contains("\(weights): expected a readable file"))
        #expect(text.contains("\(bench.runPath) has begun already; to resume it, leave --init out"))
        #expect(try bench.open() == log)
    }

    @Test func initIsRefusedByARunThatBeganFromItsSeed() throws {
        try bench.open()

        let text = try refusal(.runDirectoryRefused, weights)

        #expect(text.contains("it began from its seed"))
        #expect(try bench.directory.existingRun()?.origin == nil)
        #expect(try bench.store.newest() == nil)
    }

    @Test func aLaterCheckpointIsEnough() throws {
        try bench.open(weights)
        let ledger = try Ledger(path: bench.directory.ledgerPath)
        let hash = [UInt8](repeating: 3, count: 32)
        try ledger.append(
            .committed(
                StepReport(
                    generation: Generation(1), step: Step(1), skipped: false, attempts: 1,
                    stateHash: hash, payload: [])))
        try ledger.append(.checkpoint(step: Step(1), stateHash: hash))
        try bench.store.publish([1], step: Step(1), stateHash: hash)
        try bench.store.retain(newest: 1, through: Step(1))

        let log = try bench.open()

        #expect(log.checkpoint == Step(1) && log.hasGivenState)
        #expect(try bench.store.publishedSteps() == [Step(1)])
    }

    // MARK: - Crashes

    /// The ledger has the run, but its state was not published.
    @Test func aCrashBeforePublishingAsksForTheSameInit() throws {
        let log = try bench.open(weights)
        let before = try #require(try bench.store.newest())
        try FileManager.default.removeItem(atPath: bench.directory.checkpointsPath)
        try bench.run("DELETE FROM checkpoint")
        try FileManager.default.removeItem(atPath: bench.directory.configurationPath)

        bench.configuration.seed += 1
        let text = try refusal(.runDirectoryRefused)
        #expect(!FileManager.default.fileExists(atPath: bench.directory.configurationPath))
        bench.configuration.seed -= 1
        let other = try bench.export(scale: 3, to: "other")
        _ = try refusal(.runDirectoryRefused, other)

        #expect(text.contains("\(bench.runPath) began from \(weights)/model.safetensors (SHA-"))
        #expect(text.contains("Repeat the command with the same --init"))
        #expect(try bench.store.newest() == nil)
        #expect(try bench.open(weights) == log)
        #expect(try bench.store.newest() == before)
        #expect(try bench.open() == log)
    }

    @Test func aCrashBeforeTheLedgerHeardOfTheStateIsMendedWithoutInit() throws {
        let log = try bench.open(weights)
        try bench.run("DELETE FROM checkpoint")

        #expect(try bench.open() == log)
        #expect(try Ledger(path: bench.directory.ledgerPath).checkpoints().count == 1)
    }

    /// What would be another number of steps would no longer fit what the ledger says.
    @Test func aRunThatWasHalfCreatedKeepsItsConfiguration() throws {
        try bench.open(weights)
        try FileManager.default.removeItem(atPath: bench.directory.configurationPath)
        bench.configuration.epochCount += 1

        let text = try refusal(.runDirectoryRefused)

        #expect(text.contains("belongs to another configuration"))
        #expect(!FileManager.default.fileExists(atPath: bench.directory.configurationPath))
    }

    /// With as many steps, and the same weights, but another state.
    @Test func aRunThatWasHalfCreatedKeepsTheStateItBeganFrom() throws {
        try bench.open(weights)
        try FileManager.default.removeItem(atPath: bench.directory.checkpointsPath)
        try bench.run("DELETE FROM checkpoint")
        try FileManager.default.removeItem(atPath: bench.directory.configurationPath)
        bench.configuration.memoryBank.capacity += 1

        #expect(try refusal(.runDirectoryRefused, weights).contains("another configuration"))
        #expect(try bench.store.newest() == nil)
    }

    @Test func anotherStateInItsPlaceIsRefused() throws {
        try bench.open(weights)
        let path = try #require(try bench.store.newest()).path
        try FileManager.default.removeItem(atPath: path)
        try bench.store.publish(
            [1], step: .initial, stateHash: [UInt8](repeating: 1, count: 32))

        #expect(try refusal(.checkpointCorrupt).contains("\(path) is another state than"))
    }

    /// Sums of another resolution are other sums.
    @Test func aRunKeepsItsResolution() throws {
        bench.configuration.lanes.resolutionBits = 18
        let log = try bench.open()

        bench.configuration.lanes.resolutionBits = 0
        let text = try refusal(.runDirectoryRefused)
        bench.configuration.lanes.resolutionBits = 18

        #expect(text.contains("another configuration: lanes.resolutionBits: 18 -> 0."))
        #expect(try bench.open() == log)
    }

    /// config.yaml as it was written before the key existed.
    @Test func aRunWithoutTheKeyHasAllBitsThatFit() throws {
        let log = try bench.open()
        let path = bench.directory.configurationPath
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let older = text.replacing("  resolutionBits: 0\n", with: "")
        try older.write(toFile: path, atomically: true, encoding: .utf8)

        #expect(older != text)
        #expect(try bench.open() == log)
        bench.configuration.lanes.resolutionBits = 18
        #expect(try refusal(.runDirectoryRefused).contains("lanes.resolutionBits: 0 -> 18"))
    }

    @Test func theDirectoryIsFreeAgainAfterARefusal() throws {
        try bench.open()
        bench.configuration.seed += 1
        _ = try refusal(.runDirectoryRefused)
        bench.configuration.seed -= 1
        try bench.write("x", to: "clips/videos/ip1/clip1.mp4")
        _ = try refusal(.runDirectoryRefused)

        close(try bench.directory.lock())
    }
}
