// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives
import Testing

/// What is wrong with the input is named, with the rule and the next step; the code is documented.
@Suite(.serialized) struct BadInputTests {
    private let workplace: Workplace

    init() throws { workplace = try Workplace.shared.get() }

    private func launch(
        _ configuration: URL, run: URL? = nil, workerCount: Int = 1
    ) throws -> AccordProcess.Outcome {
        try AccordProcess.run(
            [
                "launch", "--config", configuration.path, "--workers", "\(workerCount)",
                "--threads", "1", "--run", (run ?? workplace.newRun()).path,
            ], logsIn: workplace.directory)
    }

    private func expect(
        _ outcome: AccordProcess.Outcome, code: Int32, saying parts: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(outcome.exitCode == code, "\(outcome.errors)", sourceLocation: sourceLocation)
        #expect(!outcome.endedBySignal, sourceLocation: sourceLocation)
        let messages = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("error: ") }
        #expect(messages.count == 1, "\(outcome.errors)", sourceLocation: sourceLocation)
        for part in parts {
            #expect(
                outcome.errors.contains(part), "\(outcome.errors)", sourceLocation: sourceLocation)
        }
    }

    @Test func tooFewOpenFilesAreToldAtOnce() throws {
        let workplace = try Workplace.shared.get()
        for command in [
            ["worker", "--coordinator", "tcp://127.0.0.1:7077"],
            [
                "coordinator", "--config", workplace.configuration.path, "--run",
                workplace.newRun().path,
            ],
        ] {
            let outcome = try AccordProcess(
                command, logsIn: workplace.directory, limit: "--nofile=100"
            ).wait()

            #expect(outcome.exitCode == ExitReason.memoryLacking.rawValue)
            #expect(outcome.errors.contains("may have 100 open files and needs 256"))
            #expect(outcome.errors.contains("ulimit -n"))
        }
    }

    @Test func aMisspeltKeyIsNamedWithItsLineAndNeighbour() throws {
        let file = try workplace.writeConfiguration(
            replacing: [:], renaming: ["capacity": "capasity"], named: "misspelt.yaml")

        expect(
            try launch(file), code: 65,
            saying: "misspelt.yaml, line 26", "unknown key memoryBank.capasity",
            "did you mean memoryBank.capacity?")
    }

    @Test func aValueOutOfRangeIsNamedWithItsRule() throws {
        let file = try workplace.writeConfiguration(
            replacing: ["count": "5000"], named: "range.yaml")

        expect(try launch(file), code: 65, saying: "lanes.count is 5000", "1...4096", "line 13")
    }

    @Test func aConfigurationThatIsNotThereIsNamed() throws {
        expect(
            try launch(workplace.directory.appending(path: "no.yaml")), code: 65,
            saying: "no.yaml", "is the path right?")
    }

    @Test func aMissingDataDirectoryIsNamed() throws {
        let file = try workplace.writeConfiguration(
            replacing: ["directory": "/nowhere/数据"], named: "missing.yaml")

        expect(
            try launch(file), code: 66,
            saying: "/nowhere/数据: there is no such data directory", "accord synthesize")
    }

    @Test func anEmptyDataDirectoryIsNamed() throws {
        let empty = workplace.directory.appending(path: "empty-\(UUID())")
        try FileManager.default.createDirectory(
            at: empty.appending(path: "annotations"), withIntermediateDirectories: true)
        let file = try workplace.writeConfiguration(
            replacing: ["directory": empty.path], named: "empty.yaml")

        expect(try launch(file), code: 66, saying: empty.path, "no split \"unlabeled\"")
    }

    @Test func anAnnotationWithoutFileIsNamed() throws {
        let clips = try workplace.copyOfClips()
        let videos = try clips.videos()
        try FileManager.default.removeItem(at: videos[3])
        let file = try workplace.writeConfiguration(
            replacing: ["directory": clips.folder.path], named: "hole.yaml")

        expect(
            try launch(file), code: 66, saying: "1 of 90 clips have no video file",
            videos[3].lastPathComponent)
    }

    /// Its row is left out, by every worker alike; everything else goes on.
    @Test func aDamagedClipIsReportedCountedAndLeftOut() throws {
        let clips = try workplace.copyOfClips()
        let damaged = try clips.videos()[5]
        try Data("this is no video".utf8).write(to: damaged)
        let file = try workplace.writeConfiguration(
            replacing: ["directory": clips.folder.path, "epochCount": "3"], named: "damaged.yaml")
        let runs = (0..<2).map { _ in workplace.newRun() }
        let outcomes = [
            try launch(file, run: runs[0], workerCount: 1),
            try launch(file, run: runs[1], workerCount: 3),
        ]

        #expect(outcomes.map(\.exitCode) == [0, 0], "\(outcomes.map(\.errors))")
        let hashes = outcomes.map { $0.output.split(separator: "\n").last.map(String.init) }
        #expect(hashes[0]?.hasPrefix("state hash ") == true)
        #expect(hashes[0] == hashes[1])
        for run in runs {
            let status = try Cluster.status(of: run, workplace)
            #expect(status.maskedClips == 3, "once per epoch")
            let log = try String(
                contentsOf: run.appending(path: "logs/coordinator.log"), encoding: .utf8)
            #expect(log.contains(damaged.lastPathComponent))
            let verification = try AccordProcess.run(
                ["verify", "--run", run.path], logsIn: workplace.directory)
            #expect(verification.exitCode == 0, "\(verification.errors)")
            #expect(verification.output.contains("267, 3 left out"))
        }
    }

    @Test func aPortInUseIsNamed() throws {
        let holder = try Cluster(workplace, workerCount: 1)
        let endpoint = try holder.waitForEndpoint()
        defer { holder.coordinator.signal(SIGKILL) }

        let outcome = try AccordProcess.run(
            [
                "coordinator", "--config", workplace.configuration.path,
                "--run", workplace.newRun().path, "--listen", endpoint,
            ], logsIn: workplace.directory)
        expect(outcome, code: 72, saying: endpoint, "--listen")
    }

    @Test func aRunDirectoryInUseIsRefused() throws {
        let holder = try Cluster(workplace, workerCount: 1)
        _ = try holder.waitForEndpoint()
        defer { holder.coordinator.signal(SIGKILL) }

        let outcome = try AccordProcess.run(
            [
                "coordinator", "--config", workplace.configuration.path,
                "--run", holder.run.path,
            ], logsIn: workplace.directory)
        expect(outcome, code: 67, saying: holder.run.path, "another coordinator already runs")
    }

    @Test func aWorkerWithoutCoordinatorGivesUpAfterTheStatedTime() throws {
        let outcome = try AccordProcess.run(
            ["worker", "--coordinator", "tcp://127.0.0.1:9", "--give-up-after", "2"],
            logsIn: workplace.directory)

        expect(
            outcome, code: 68, saying: "no answer from the coordinator at tcp://127.0.0.1:9",
            "for 2 seconds", "firewalls")
        #expect(outcome.errors.contains("looks for tcp://127.0.0.1:9"))
    }

    @Test func anAddressThatCannotBeOneIsRefused() throws {
        let outcome = try AccordProcess.run(
            ["worker", "--coordinator", "head:7077"], logsIn: workplace.directory)

        expect(outcome, code: 64, saying: "head:7077", "tcp://192.168.0.10:7077")
    }

    @Test func aRunOfAnotherConfigurationIsRefusedAndUnchanged() throws {
        let short = try workplace.writeConfiguration(
            replacing: ["epochCount": "1"], named: "short.yaml")
        let other = try workplace.writeConfiguration(
            replacing: ["epochCount": "1", "seed": "8", "microbatchSize": "5"], named: "other.yaml")
        let run = workplace.newRun()
        let first = try launch(short, run: run)
        let before = try Cluster.status(of: run, workplace)

        expect(
            try launch(other, run: run), code: 67, saying: "seed: 7 -> 8",
            "lanes.microbatchSize: 4 -> 5", "another --run")
        #expect(first.exitCode == 0)
        #expect(try Cluster.status(of: run, workplace).stateHash == before.stateHash)
    }

    @Test func aChangedDataSetIsRefusedAtResume() throws {
        let clips = try workplace.copyOfClips()
        let file = try workplace.writeConfiguration(
            replacing: ["directory": clips.folder.path, "epochCount": "1"], named: "changed.yaml")
        let run = workplace.newRun()
        let first = try launch(file, run: run)
        #expect(first.exitCode == 0, "\(first.errors)")
        let handle = try FileHandle(forWritingTo: try clips.videos()[0])
        try handle.seekToEnd()
        try handle.write(contentsOf: Data([0]))
        try handle.close()

        expect(try launch(file, run: run), code: 67, saying: clips.folder.path, "has changed since")
    }

    /// Another vocabulary of the same length would change the gradients unseen.
    @Test func aChangedVocabularyIsRefusedAtResume() throws {
        let clips = try workplace.copyOfClips()
        let file = try workplace.writeConfiguration(
            replacing: ["directory": clips.folder.path, "epochCount": "1"], named: "words.yaml")
        let run = workplace.newRun()
        let first = try launch(file, run: run)
        #expect(first.exitCode == 0, "\(first.errors)")
        let vocabulary = clips.folder.appending(path: "vocab.txt")
        var tokens = try String(contentsOf: vocabulary, encoding: .utf8).split(separator: "\n")
        tokens.swapAt(7, 8)
        try tokens.joined(separator: "\n").write(to: vocabulary, atomically: true, encoding: .utf8)

        expect(try launch(file, run: run), code: 67, saying: "has changed since", "vocabulary")
    }

    @Test func clipsDoNotLandAmongOtherFiles() throws {
        let folder = workplace.directory.appending(path: "other-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data().write(to: folder.appending(path: "thesis.tex"))

        let outcome = try AccordProcess.run(
            ["synthesize", "--clips", "20", "--out", folder.path], logsIn: workplace.directory)
        expect(outcome, code: 66, saying: folder.path, "thesis.tex", "another --out")
    }

    @Test(arguments: ["status", "verify", "evaluate"])
    func aFolderThatIsNoRunIsRefused(_ command: String) throws {
        let outcome = try AccordProcess.run(
            [command, "--run", workplace.clips.path], logsIn: workplace.directory)

        expect(outcome, code: 67, saying: workplace.clips.path, "is not a run directory")
    }
}
