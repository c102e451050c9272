// SPDX-License-Identifier: Apache-2.0
import Foundation
import Hashing
import Primitives
import Testing

@testable import ClusterProtocol
@testable import ClusterRuntime
@testable import Training

/// What the coordinator tells each second, and what `accord status` answers.
@Suite struct RunStatusTests {
    private static func live(
        workers: Int = 2, waitingFor: [String] = [], stepCount: UInt64 = 900, loss: Double? = nil,
        clipsPerSecond: Double? = nil, secondsLeft: Double? = nil
    ) -> LiveStatus {
        let member = ClusterSnapshot.MemberState(
            worker: "w", rank: 0, hostName: "h", processIdentifier: 1, threadCount: 1,
            appliedStep: 17, activity: "computes", silentTicks: 0, exchangeTimes: .init(),
            laneMicroseconds: 0, laneCount: 4)
        return LiveStatus(
            cluster: ClusterSnapshot(
                generation: 3, phase: "training", committedStep: 17, checkpointStep: 10,
                members: [ClusterSnapshot.MemberState](repeating: member, count: workers),
                joiners: [], maskedClipCount: 0, evictionCount: 0, divergenceCount: 0,
                stalledExchangeCount: 0,
                waitingFor: waitingFor),
            stepCount: stepCount, loss: loss, clipsPerSecond: clipsPerSecond,
            secondsLeft: secondsLeft, processIdentifier: 9)
    }

    // MARK: - The line of `accord launch`

    @Test func theLineSaysWhatIsKnown() {
        let full = Self.live(loss: 7.1238, clipsPerSecond: 51.26, secondsLeft: 61)

        #expect(Self.live(workers: 1).line == "step 17/900  1 worker")
        #expect(full.line == "step 17/900  loss 7.124  51.3 clips/s  1 min 1 s left  2 workers")
    }

    @Test(arguments: [
        (0, "0 s"), (0.2, "1 s"), (59, "59 s"), (59.5, "1 min 0 s"), (3599, "59 min 59 s"),
        (3600, "1 h 0 min"), (90_061, "25 h 1 min"),
    ])
    func timeIsShownInTwoUnits(_ seconds: Double, _ text: String) {
        #expect(Self.live(secondsLeft: seconds).line == "step 17/900  \(text) left  2 workers")
    }

    @Test func aWaitIsAllThatIsShown() {
        let sentence = "waiting for 2 workers"
        let line = Self.live(waitingFor: [sentence, "another"], loss: 1).line
        #expect(line == sentence)
    }

    @Test(arguments: [
        live(waitingFor: [String(repeating: "wait ", count: 40)]),
        live(
            workers: 4096, stepCount: .max, loss: 1e300, clipsPerSecond: 1e300, secondsLeft: 1e300),
        live(loss: -1e300, clipsPerSecond: .infinity, secondsLeft: .nan),
        live(secondsLeft: -.infinity),
    ])
    func theLineHasAtMost79Columns(_ status: LiveStatus) {
        #expect((1...79).contains(status.line.count), "\(status.line)")
    }

    // MARK: - accord status

    @Test func aWorkerThatHasNotExchangedSaysNothingOfIt() {
        #expect(Self.live().cluster.members.map(\.exchangeLines) == [[], []])
    }

    @Test func whatExchangesCostIsSaidInALine() {
        var member = Self.live().cluster.members[0]
        member.exchangeTimes.drops = .init(stale: 3, duplicate: 0, malformed: 1)
        let drops = "dropped frames: 3 stale, 0 double, 1 damaged"
        #expect(member.exchangeLines == [drops])

        member.exchangeTimes.count = 1
        member.exchangeTimes.mean = .init(
            waitedMicroseconds: 3049, exposedMicroseconds: 12_000, stepMicroseconds: 0)
        #expect(
            member.exchangeLines == ["exchange 12.0 ms exposed, 3.0 ms waiting", drops])

        member.exchangeTimes.drops = .init()
        member.exchangeTimes.mean.stepMicroseconds = 160_000
        #expect(
            member.exchangeLines
                == ["exchange 12.0 ms exposed (7.5 % of a step), 3.0 ms waiting"])
    }

    private func write(_ summaries: [StepSummary], to folder: RunFolder) throws {
        let ledger = try Ledger(path: folder.directory.ledgerPath)
        _ = try ledger.register(
            .init(id: RunID(1), clipCount: 40, stepCount: 12, fingerprint: [1]))
        try ledger.append(.generation(Generation(1), members: []))
        for summary in summaries {
            let hash = summary.step == 2 ? [UInt8](repeating: 0xab, count: 32) : []
            try ledger.append(
                .committed(
                    StepReport(
                        generation: Generation(1), step: Step(summary.step),
                        skipped: summary.skipped, attempts: 1, stateHash: hash,
                        payload: try summary.encode())))
        }
    }

    private static func summary(_ step: UInt64, loss: Double) -> StepSummary {
        var summary = StepSummary(step: step)
        summary.skipped = !loss.isFinite
        (summary.loss, summary.maskedLanguageLoss, summary.alignmentLoss) = (loss, loss, loss)
        return summary
    }

    @Test func aFolderThatIsNoRunIsRefused() {
        let failure = #expect(throws: ExitFailure.self) { try RunStatus.read("/nowhere") }
        #expect(failure?.reason == .runDirectoryRefused)
    }

    @Test func aRunBeforeItsFirstStepHasAStatus() throws {
        let folder = try RunFolder()
        try write([], to: folder)

        let status = try RunStatus.read(folder.path)

        #expect(status.step == 0 && status.stepCount == 12 && status.generations == 1)
        #expect(status.loss == nil && status.stateHash == nil && status.live == nil)
    }

    @Test func whatTheRunBeganFromIsToldInDigits() throws {
        let folder = try RunFolder()
        let origin = RunOrigin(
            files: [.init(path: "m.safetensors", sha256: Digest(of: [1]))],
            stateHash: Digest(of: [2]))
        _ = try Ledger(path: folder.directory.ledgerPath).register(
            .init(id: RunID(1), clipCount: 4, stepCount: 2, fingerprint: [1], origin: origin))

        let status = try RunStatus.read(folder.path)

        #expect(status.origin == origin)
        let text = String(decoding: try JSONEncoder().encode(status), as: UTF8.self)
        #expect(text.contains("\"sha256\":\"\(Digest(of: [1]))\""))
    }

    @Test func theNewestStepAndTheNewestHashAreTold() throws {
        let folder = try RunFolder()
        try write((1...3).map { Self.summary($0, loss: Double($0)) }, to: folder)
        try folder.directory.write(json: Self.live(loss: 0.5), to: folder.directory.statusPath)

        let status = try RunStatus.read(folder.path)

        #expect(status.step == 3 && status.loss == 3)
        #expect(status.stateHash == String(repeating: "ab", count: 32))
        #expect(status.stateHashStep == 2)
        #expect(status.live == Self.live(loss: 0.5))
    }

    /// A crash may have left it so.
    @Test func aLedgerWithoutTablesIsThatOfNoStep() throws {
        let folder = try RunFolder()
        try folder.write("", to: folder.directory.ledgerPath)

        let status = try RunStatus.read(folder.path)

        #expect(status.step == 0 && status.stepCount == 0 && !status.isRunning)
    }

    // MARK: - With and without a coordinator

    private func age(_ folder: RunFolder, seconds: Double) throws {
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSinceNow: -seconds)],
            ofItemAtPath: folder.directory.statusPath)
    }

    @Test func aCoordinatorThatIsGoneDoesNotRun() throws {
        let folder = try RunFolder()
        try write([Self.summary(1, loss: 5)], to: folder)
        try folder.directory.write(json: Self.live(), to: folder.directory.statusPath)
        try age(folder, seconds: 61.5)

        let lock = try folder.directory.lock()
        let silent = try RunStatus.read(folder.path)
        close(lock)
        let gone = try RunStatus.read(folder.path)

        #expect(silent.isRunning && !gone.isRunning)
        #expect(silent.coordinatorText == "training (process 9), silent for 1 min 2 s")
        #expect(gone.coordinatorText == "none runs here; last seen training, 1 min 2 s ago")
    }

    @Test func aCoordinatorThatHasJustStartedDoesNotStandStill() throws {
        let folder = try RunFolder()
        try write([Self.summary(1, loss: 5)], to: folder)
        var last = Self.live()
        last.cluster.phase = "ended"
        try folder.directory.write(json: last, to: folder.directory.statusPath)
        try age(folder, seconds: 3600)
        let lock = try folder.directory.lock()
        defer { close(lock) }

        let sentence = "the coordinator reads its ledger and checkpoints, or ends"
        #expect(try RunStatus.read(folder.path).coordinatorText == sentence)
        #expect(try RunStatus.waits(folder.path) == [sentence])
    }

    @Test func whatIsCompleteNeedsNoCoordinator() throws {
        let folder = try RunFolder()
        try write((1...12).map { Self.summary($0, loss: 1) }, to: folder)
        try folder.directory.write(json: Self.live(), to: folder.directory.statusPath)
        #expect(try RunStatus.waits(folder.path)[0].hasPrefix("no coordinator runs here"))

        try Ledger(path: folder.directory.ledgerPath)
            .append(.checkpoint(step: Step(12), stateHash: [1]))

        let text = try RunStatus.read(folder.path).coordinatorText
        #expect(text == "none runs here; the run is complete")
        #expect(try RunStatus.waits(folder.path) == ["the run is complete"])
        for command in [{ _ = try RunControl.pause($0) }, RunControl.resume]
            as [(String) throws -> Void]
        {
            let failure = #expect(throws: ExitFailure.self) { try command(folder.path) }
            #expect(failure?.reason == .clusterUnreachable)
            #expect(failure?.message.hasPrefix("the run is complete") == true)
        }
    }

    /// JSON has no word for what a skipped step may have lost.
    @Test(arguments: [Double.nan, .infinity])
    func aSkippedStepHasAStatusThatProgramsCanRead(_ loss: Double) throws {
        let folder = try RunFolder()
        try write([Self.summary(1, loss: 5), Self.summary(2, loss: loss)], to: folder)

        let status = try RunStatus.read(folder.path)

        #expect(status.step == 2 && status.skippedSteps == 1 && status.loss == nil)
        let bytes = try JSONEncoder().encode(status)
        #expect(try JSONDecoder().decode(RunStatus.self, from: bytes) == status)
    }
}
