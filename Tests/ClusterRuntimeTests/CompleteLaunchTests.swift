// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import ClusterProtocol
import Foundation
import Primitives
import Testing
import Training

@testable import ClusterRuntime

/// `accord launch` of a run that has nothing left to do. The program that it would start is not
/// there, so whatever it starts is a failure.
@Suite struct CompleteLaunchTests {
    private let bench: OpeningBench
    private var configurationPath: String { "\(bench.path)/run.yaml" }

    init() throws {
        bench = try OpeningBench()
        try bench.write(bench.configuration.resolvedYAML, to: "run.yaml")
        try bench.open()
    }

    private func complete(isPublished: Bool = true) throws {
        let ledger = try Ledger(path: bench.directory.ledgerPath)
        let run = try #require(try ledger.existingRun())
        for step in 1...UInt64(run.stepCount) {
            try ledger.append(
                .committed(
                    StepReport(
                        generation: Generation(1), step: Step(step), skipped: false, attempts: 1,
                        stateHash: [], payload: [])))
        }
        let (last, hash) = (Step(UInt64(run.stepCount)), [UInt8](repeating: 1, count: 32))
        try ledger.append(.checkpoint(step: last, stateHash: hash))
        if isPublished { try bench.store.publish([1, 2], step: last, stateHash: hash) }
    }

    private func launch() throws -> [String] {
        var lines: [String] = []
        try Launcher.run(
            LaunchOptions(
                configurationPath: configurationPath, runPath: bench.runPath, workerCount: 1,
                threadCount: 1, executable: URL(filePath: "/nowhere/accord"))
        ) { lines.append($0) }
        return lines
    }

    private func expectStart(sourceLocation: SourceLocation = #_sourceLocation) {
        let failure = #expect(throws: ExitFailure.self, sourceLocation: sourceLocation) {
            _ = try launch()
        }
        #expect(
            failure?.message.contains("cannot start the coordinator") == true,
            sourceLocation: sourceLocation)
    }

    @Test func nobodyIsStarted() throws {
        try complete()

        #expect(try launch() == ["the run is complete"])
    }

    @Test func aRunWithStepsLeftGoesOn() { expectStart() }

    /// A coordinator says what is wrong with it.
    @Test func aRunWithoutItsCheckpointIsNotComplete() throws {
        try complete(isPublished: false)

        expectStart()
    }

    @Test func anotherConfigurationIsNotThatRun() throws {
        try complete()
        bench.configuration.seed += 1
        try bench.write(bench.configuration.resolvedYAML, to: "run.yaml")

        expectStart()
    }

    @Test func otherClipsAreNotThatRun() throws {
        try complete()
        try bench.write("another video", to: "clips/videos/ip1/clip1.mp4")

        expectStart()
    }
}
