// SPDX-License-Identifier: Apache-2.0
import Foundation
import GRDB
import Hashing
import Primitives
import Testing

@testable import ClusterProtocol
@testable import ClusterRuntime

@Suite struct LedgerTests {
    private let folder: RunFolder

    init() throws { folder = try RunFolder() }

    private func open(isReadOnly: Bool = false) throws(ExitFailure) -> Ledger {
        try Ledger(path: folder.directory.ledgerPath, isReadOnly: isReadOnly)
    }

    /// As for a reader who may not write to the folder.
    @Test func aLedgerThatNobodyWritesIsReadWithoutFilesBesideIt() throws {
        let path = "\(folder.path)/50 % ?#.sqlite"
        let run = Ledger.Run(id: RunID(7), clipCount: 9, stepCount: 4, fingerprint: [1])
        _ = try Ledger(path: path).register(run)

        let ledger = try Ledger(path: path, isReadOnly: true, isAlone: true)

        #expect(try ledger.existingRun() == run)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(names.filter { $0.contains("sqlite") } == ["50 % ?#.sqlite"])
    }

    private static func report(
        _ step: UInt64, stateHash: [UInt8] = [], attempts: Int = 1, skipped: Bool = false
    ) -> StepReport {
        StepReport(
            generation: Generation(2), step: Step(step), skipped: skipped, attempts: attempts,
            stateHash: stateHash, payload: Array("step \(step)".utf8))
    }

    private static let members = [3, 9].map { number in
        Member(
            worker: WorkerID(UInt64(number)), dataEndpoint: "tcp://10.0.0.\(number):4000",
            threadCount: number, hostName: "host-\(number)", processIdentifier: Int32(number))
    }

    private static func plan(_ generation: Generation) -> StepPlan {
        StepPlan(
            generation: generation, members: members, base: Step(4), attempt: 2,
            attemptScales: [1, 130],
            catchUp: [.none, .fetchState(from: [PeerAddress("tcp://h:1", publicKey: "k")])],
            inFlightLanes: [[0, 2], [1]], steadyLanes: [[0], [1, 2]],
            masked: [MaskedClip(step: Step(5), clipIndex: 7)])
    }

    // MARK: - What a coordinator that starts again knows

    @Test func aNewLedgerKnowsNothing() throws {
        let ledger = try open()

        #expect(try ledger.restore() == CoordinatorLog())
        #expect(try ledger.existingRun() == nil)
        #expect(try ledger.endpoint == nil)
        #expect(try ledger.newest().step == nil)
    }

    @Test func everyDecisionSurvivesARestart() throws {
        let clips = [8, 1].map { MaskedClip(step: Step(2), clipIndex: $0) }
        var expected = CoordinatorLog()
        expected.generation = Generation(2)
        expected.members = Self.members
        expected.plan = Self.plan(Generation(2))
        expected.committed = Step(3)
        expected.stateHashes = [Step(2): [2, 2], Step(3): [3]]
        expected.masked = Set(clips)
        expected.checkpoint = Step(2)
        expected.numericClass = "x86_64, AVX-512"
        let records: [LogRecord] = [
            .generation(Generation(1), members: []), .plan(Self.plan(Generation(1))),
            .committed(Self.report(1)), .generation(Generation(2), members: Self.members),
            .plan(Self.plan(Generation(2))), .masked(clips[0], reason: "truncated"),
            .masked(clips[1], reason: "missing"), .event("evicted"),
            .committed(Self.report(2, stateHash: [2, 2])),
            .checkpoint(step: Step(2), stateHash: [2, 2]),
            .committed(Self.report(3, stateHash: [3])), .numericClass("x86_64, AVX-512"),
        ]
        let ledger = try open()
        _ = try ledger.register(.init(id: RunID(1), clipCount: 1, stepCount: 1, fingerprint: []))
        for record in records { try ledger.append(record) }

        #expect(try ledger.restore() == expected)
        #expect(try open().restore() == expected)
    }

    @Test func aGenerationWithoutAPlanHasNone() throws {
        let ledger = try open()
        try ledger.append(.generation(Generation(1), members: Self.members))
        try ledger.append(.plan(Self.plan(Generation(1))))

        try ledger.append(.generation(Generation(2), members: []))

        let log = try open().restore()
        #expect(log.generation == Generation(2))
        #expect(log.members.isEmpty)
        #expect(log.plan == nil)
    }

    @Test func theFirstReasonOfAMaskedClipStays() throws {
        let ledger = try open()
        let clip = MaskedClip(step: Step(1), clipIndex: 3)
        for reason in ["truncated", "missing"] { try ledger.append(.masked(clip, reason: reason)) }

        let reasons = try DatabaseQueue(path: folder.directory.ledgerPath).read {
            try String.fetchAll($0, sql: "SELECT reason FROM maskedClip")
        }
        #expect(reasons == ["truncated"])
    }

    @Test func eventsAreKeptInOrder() throws {
        let ledger = try open()
        for text in ["joined", "evicted", "joined"] { try ledger.append(.event(text)) }

        let texts = try DatabaseQueue(path: folder.directory.ledgerPath).read {
            try String.fetchAll($0, sql: "SELECT text FROM event ORDER BY id")
        }
        #expect(texts == ["joined", "evicted", "joined"])
    }

    @Test func theNewestCheckpointCountsUntilItIsForgotten() throws {
        let ledger = try open()
        for step in [10, 20, 30] as [UInt64] {
            try ledger.append(.checkpoint(step: Step(step), stateHash: [UInt8(step)]))
        }
        #expect(try ledger.restore().checkpoint == Step(30))

        try ledger.forgetCheckpoints(after: Step(20))

        #expect(try open().restore().checkpoint == Step(20))
        #expect(try ledger.checkpoints().map(\.step) == [Step(10), Step(20)])
        #expect(try ledger.checkpoints().map(\.stateHash) == [[10], [20]])
    }

    @Test func aCheckpointThatIsMadeAgainReplacesItself() throws {
        let ledger = try open()
        for hash in [[1], [2]] as [[UInt8]] {
            try ledger.append(.checkpoint(step: Step(10), stateHash: hash))
        }
        #expect(try ledger.checkpoints().map(\.stateHash) == [[2]])
    }

    // MARK: - The run

    @Test func theFirstRegistrationIsTheRun() throws {
        let run = Ledger.Run(
            id: RunID(.max), clipCount: 50, stepCount: 12, fingerprint: [7, 0, 255])
        #expect(try open().register(run) == run)

        let other = Ledger.Run(id: RunID(1), clipCount: 9, stepCount: 9, fingerprint: [])
        #expect(try open().register(other) == run)
        #expect(try open().existingRun() == run)
    }

    private static let origin = RunOrigin(
        files: [
            .init(path: "模型/model.safetensors", sha256: Digest(of: [1])),
            .init(path: "b", sha256: Digest(of: [2])),
        ], stateHash: Digest(of: [3]))

    @Test func whatTheRunBeganFromIsPartOfIt() throws {
        let run = Ledger.Run(
            id: RunID(3), clipCount: 50, stepCount: 12, fingerprint: [7], origin: Self.origin)
        let ledger = try open()
        _ = try ledger.register(run)

        #expect(try open(isReadOnly: true).existingRun() == run)
        #expect(try ledger.restore().hasGivenState)
    }

    /// In the life that has created the run and in a later one.
    @Test(arguments: [false, true]) func theFirstStepFollowsTheOrigin(_ reopens: Bool) throws {
        let first = try open()
        _ = try first.register(
            .init(id: RunID(3), clipCount: 1, stepCount: 1, fingerprint: [], origin: Self.origin))

        try (reopens ? try open() : first).append(.committed(Self.report(1)))

        var hashes: [[UInt8]] = []
        try open().forEachStep { hashes.append($0.hash) }
        let root = Self.origin.digest.bytes
        #expect(hashes == [Ledger.chainHash(of: Self.report(1), after: root)])
        #expect(hashes != [Ledger.chainHash(of: Self.report(1), after: [])])
    }

    /// Of the versions that knew no origin.
    @Test func anOlderLedgerIsReadAndGoesOn() throws {
        let run = Ledger.Run(id: RunID(3), clipCount: 5, stepCount: 6, fingerprint: [7])
        _ = try open().register(run)
        try DatabaseQueue(path: folder.directory.ledgerPath).write {
            try $0.execute(sql: "ALTER TABLE run DROP COLUMN origin")
            try $0.execute(sql: "DELETE FROM grdb_migrations WHERE identifier = '2'")
        }

        #expect(try open(isReadOnly: true).existingRun() == run)
        #expect(try !open(isReadOnly: true).restore().hasGivenState)
        #expect(try open().existingRun() == run)
    }

    @Test func aLedgerWithoutTablesHasNoRun() throws {
        try Data().write(to: URL(filePath: folder.directory.ledgerPath))

        #expect(try folder.directory.existingRun() == nil)
    }

    @Test func theEndpointOfTheRunIsTheNewest() throws {
        let ledger = try open()
        _ = try ledger.register(.init(id: RunID(1), clipCount: 1, stepCount: 1, fingerprint: []))
        for port in 1...2 { try ledger.setEndpoint("tcp://127.0.0.1:\(port)") }

        #expect(try open().endpoint == "tcp://127.0.0.1:2")
    }

    @Test func countsAreThoseOfTheRows() throws {
        let ledger = try open()
        for number in 1...3 as ClosedRange<UInt64> {
            try ledger.append(.generation(Generation(number), members: []))
        }
        try ledger.append(.committed(Self.report(1, attempts: 2)))
        try ledger.append(.committed(Self.report(2, skipped: true)))
        for step in 3...4 as ClosedRange<UInt64> {
            try ledger.append(.committed(Self.report(step, attempts: 2, skipped: true)))
        }
        for clip in 0..<5 {
            try ledger.append(.masked(MaskedClip(step: Step(1), clipIndex: clip), reason: ""))
        }

        #expect(
            try ledger.counts()
                == .init(maskedClips: 5, generations: 3, skippedSteps: 3, secondAttempts: 3))
    }

    // MARK: - Readers and failures

    @Test func aReaderSeesWhatTheWriterAppendsMeanwhile() throws {
        let writer = try open()
        try writer.append(.committed(Self.report(1)))
        let reader = try open(isReadOnly: true)
        #expect(try reader.restore().committed == Step(1))

        try writer.append(.committed(Self.report(2)))

        #expect(try reader.restore().committed == Step(2))
        let failure = #expect(throws: ExitFailure.self) { try reader.append(.event("mine")) }
        #expect(failure?.reason == .storageFailed)
    }

    @Test(arguments: [false, true])
    func aFileThatIsNoDatabaseIsNamed(isReadOnly: Bool) throws {
        let path = folder.directory.ledgerPath
        try folder.write(String(repeating: "This is a letter. ", count: 100), to: path)

        let failure = #expect(throws: ExitFailure.self) { try open(isReadOnly: isReadOnly) }

        #expect(failure?.reason == .storageFailed)
        #expect(failure?.message.contains(path) == true)
    }

    @Test func aLedgerThatIsNotThereIsNotCreatedByAReader() throws {
        let failure = #expect(throws: ExitFailure.self) { try open(isReadOnly: true) }

        #expect(failure?.reason == .storageFailed)
        #expect(!FileManager.default.fileExists(atPath: folder.directory.ledgerPath))
    }

    @Test func aStepIsCommittedOnce() throws {
        let ledger = try open()
        try ledger.append(.committed(Self.report(1, stateHash: [1])))

        let failure = #expect(throws: ExitFailure.self) {
            try ledger.append(.committed(Self.report(1, stateHash: [9])))
        }

        #expect(failure?.reason == .storageFailed)
        #expect(failure?.message.contains(folder.directory.ledgerPath) == true)
        #expect(try ledger.restore().stateHashes == [Step(1): [1]])
    }
}
