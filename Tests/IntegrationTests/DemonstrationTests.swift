// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// What `make demo` promises: retrieval of 200 held-out clips at ten times chance and more, which
/// the same training without the contrastive loss does not reach.
@Suite(.serialized) struct DemonstrationTests {
    private struct Retrieval: Decodable {
        struct Direction: Decodable { let recallAt1: Double }

        let clips: Int
        let chanceRecallAt1: Double
        let textToVideo: Direction
        let videoToText: Direction

        var timesChance: [Double] {
            [textToVideo, videoToText].map { $0.recallAt1 / chanceRecallAt1 }
        }
    }

    private static let clips: Result<URL, any Error> = Result {
        let workplace = try Workplace.shared.get()
        let folder = workplace.directory.appending(path: "demo-clips")
        let outcome = try AccordProcess.run(
            ["synthesize", "--clips", "1400", "--out", folder.path], logsIn: workplace.directory)
        guard outcome.exitCode == 0 else { throw Workplace.SetUpFailed(text: outcome.errors) }
        return folder
    }

    private func train(_ name: String) throws -> Retrieval {
        let workplace = try Workplace.shared.get()
        let configuration = try workplace.writeConfiguration(
            from: name, replacing: ["directory": try Self.clips.get().path], named: "copy-\(name)")
        let run = workplace.newRun()
        let launch = try AccordProcess.run(
            ["launch", "--config", configuration.path, "--run", run.path, "--workers", "2"],
            logsIn: workplace.directory)
        #expect(launch.exitCode == 0, "\(launch.errors)")
        let evaluation = try AccordProcess.run(
            ["evaluate", "--run", run.path, "--json"], logsIn: workplace.directory)
        return try JSONDecoder().decode(Retrieval.self, from: Data(evaluation.output.utf8))
    }

    @Test func alignmentFindsClipsAndTexts() throws {
        let retrieval = try train("demo.yaml")

        #expect(retrieval.clips == 200)
        #expect(retrieval.chanceRecallAt1 == 1.0 / 200)
        #expect(retrieval.timesChance.allSatisfy { $0 >= 10 }, "\(retrieval.timesChance)")
    }

    @Test func withoutAlignmentNothingIsFound() throws {
        let retrieval = try train("demo-without-alignment.yaml")

        #expect(retrieval.clips == 200)
        #expect(retrieval.timesChance.allSatisfy { $0 < 10 }, "\(retrieval.timesChance)")
    }
}
