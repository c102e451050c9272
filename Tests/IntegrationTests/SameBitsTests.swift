// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives
import Testing

/// Promises 1 to 4 with real processes: the state hash of the last step is that of one worker with
/// one thread, whatever the number of workers and threads and whoever is killed, and the ledger
/// proves that every clip of every epoch was consumed exactly once.
@Suite(.serialized) struct SameBitsTests {
    /// The undisturbed run of one worker with one thread.
    static let reference = Result { try undisturbed(.f32) }
    static let referenceInBF16 = Result { try undisturbed(.bf16) }
    static let referenceWithGather = Result { try undisturbed(.gather) }

    private static func undisturbed(_ variant: Workplace.Variant) throws -> String {
        let cluster = try Cluster(
            Workplace.shared.get(), workerCount: 1, variant: variant)
        try cluster.addWorkers(1)
        let status = try cluster.finish()
        guard status.step == status.stepCount, let hash = status.stateHash else {
            throw Cluster.Waited(what: "the reference run", coordinator: cluster.coordinator.errors)
        }
        return hash
    }

    struct Shape: Sendable, CustomTestStringConvertible {
        let workerCount: Int
        let threadCount: Int
        var variant = Workplace.Variant.f32
        var testDescription: String {
            "\(workerCount) workers x \(threadCount) threads as \(variant)"
        }
    }

    @Test(arguments: [
        Shape(workerCount: 1, threadCount: 2), Shape(workerCount: 2, threadCount: 1),
        Shape(workerCount: 2, threadCount: 2), Shape(workerCount: 3, threadCount: 1),
        Shape(workerCount: 5, threadCount: 1),
        Shape(workerCount: 1, threadCount: 2, variant: .bf16),
        Shape(workerCount: 2, threadCount: 1, variant: .bf16),
        Shape(workerCount: 3, threadCount: 2, variant: .bf16),
        Shape(workerCount: 5, threadCount: 1, variant: .bf16),
        Shape(workerCount: 2, threadCount: 2, variant: .gather),
    ])
    func anyNumberOfWorkersAndThreads(_ shape: Shape) throws {
        let cluster = try Cluster(
            Workplace.shared.get(), workerCount: shape.workerCount, variant: shape.variant)
        try cluster.addWorkers(shape.workerCount, threads: shape.threadCount)

        try expectReference(cluster)
    }

    @Test(arguments: 1...3 as ClosedRange<UInt64>)
    func aWorkerKilledAtARandomMoment(seed: UInt64) throws {
        let cluster = try Cluster(Workplace.shared.get(), workerCount: 3)
        try cluster.addWorkers(3)

        try cluster.strikeAtRandom(seed) { try $0.killWorker(1) }

        try expectReference(cluster, strikeCount: 1)
    }

    /// Its lanes are the others', with the keys of all.
    @Test func aWorkerKilledWhileKeysAreGathered() throws {
        let cluster = try Cluster(Workplace.shared.get(), workerCount: 3, variant: .gather)
        try cluster.addWorkers(3)

        try cluster.strikeAtRandom(4) { try $0.killWorker(1) }

        try expectReference(cluster, strikeCount: 1)
    }

    /// How sums travel between workers: out of each other's memory, over the network, or some this
    /// way and some that.
    @Test(arguments: [[false, false, false], [true, true, false, false], [false, true, true]])
    func overSharedMemoryAndNetwork(sharing: [Bool]) throws {
        let cluster = try Cluster(Workplace.shared.get(), workerCount: sharing.count)
        for shares in sharing {
            try cluster.addWorker(options: shares ? [] : ["--no-shared-memory"])
        }

        try cluster.strikeAtRandom(UInt64(sharing.count)) { try $0.killWorker(1) }

        try expectReference(cluster, strikeCount: 1)
    }

    /// It holds the others up until it is found silent. When it wakes it is no member any more,
    /// what it still writes disturbs nobody, and it comes back as a new worker.
    @Test(arguments: [1, 2, 3] as [UInt64])
    func aWorkerFrozenAtARandomMomentThatWakesLater(seed: UInt64) throws {
        let cluster = try Cluster(Workplace.shared.get(), workerCount: 3)
        try cluster.addWorkers(3)
        var frozen: AccordProcess?
        var step = 0

        try cluster.strikeAtRandom(50 + seed) {
            frozen = try $0.freezeWorker(1)
            step = try $0.status().step
        }
        try cluster.wait("steps without the frozen worker") { $0.step >= step + 2 }
        frozen?.signal(SIGCONT)

        try expectReference(cluster, strikeCount: 1)
        let outcome = try #require(try frozen?.wait())
        #expect(outcome.errors.contains("the coordinator has evicted this worker"))
        #expect(outcome.errors.contains("joins again as a new worker"))
        #expect(Cluster.endsOfReturned.contains(outcome.exitCode), "\(outcome.errors)")
    }

    /// Longer than workers wait for a sign of life: all of them have made new connections when it
    /// wakes, and it takes none of them for dead.
    @Test func aCoordinatorFrozenForSeconds() throws {
        let cluster = try Cluster(Workplace.shared.get(), workerCount: 3)
        try cluster.addWorkers(3)

        try cluster.strikeAtRandom(63) { try $0.freezeCoordinator(seconds: 8) }

        try expectReference(cluster, strikeCount: 1)
        #expect(!cluster.coordinator.errors.contains("evicted"), "\(cluster.coordinator.errors)")
    }

    /// As by a batch system. It goes in order, and nobody takes it for dead.
    @Test func aWorkerThatIsAskedToEndFinishesItsStep() throws {
        let cluster = try Cluster(Workplace.shared.get(), workerCount: 3)
        try cluster.addWorkers(3)
        var leaving: AccordProcess?

        try cluster.strikeAtRandom(61) { leaving = try $0.retireWorker(1) }

        let outcome = try #require(try leaving?.wait())
        #expect(outcome.exitCode == ExitReason.interrupted.rawValue, "\(outcome.errors)")
        #expect(outcome.errors.contains("left the run: asked to end"), "\(outcome.errors)")
        try expectReference(cluster, strikeCount: 1)
        #expect(!cluster.coordinator.errors.contains("evicted"))
    }

    /// Everybody stands still with a safe state; a coordinator that is started again does so, too.
    @Test func aRunThatIsPausedAndResumed() throws {
        let cluster = try Cluster(Workplace.shared.get(), workerCount: 2)
        try cluster.addWorkers(2)

        try cluster.strikeAtRandom(62) { try $0.pause() }
        let paused = try cluster.status()
        #expect(paused.checkpointStep == paused.step)
        try cluster.killCoordinator()
        try cluster.restartCoordinator(workerCount: 2)
        try cluster.waitUntilPaused()
        #expect(try cluster.status().step == paused.step)
        try cluster.resume()

        try expectReference(cluster, strikeCount: 2)
    }

    @Test func theVariantsAreNotTheSame() throws {
        let references = [Self.reference, Self.referenceInBF16, Self.referenceWithGather]
        #expect(Set(try references.map { try $0.get() }).count == references.count)
    }

    @Test func inBF16EverythingIsKilledAndAWorkerOnceMore() throws {
        let cluster = try Cluster(
            Workplace.shared.get(), workerCount: 2, variant: .bf16)
        try cluster.addWorkers(2)

        try cluster.strikeAtRandom(41) { try $0.killEverything() }
        try cluster.restartCoordinator(workerCount: 3)
        try cluster.addWorkers(3)
        try cluster.strikeAtRandom(42) { try $0.killWorker(2) }

        try expectReference(cluster, strikeCount: 2)
    }

    @Test func aKilledWorkerIsReplacedByALateOne() throws {
        let cluster = try Cluster(Workplace.shared.get(), workerCount: 2)
        try cluster.addWorkers(2)

        try cluster.strikeAtRandom(11) { try $0.killWorker(0) }
        try cluster.addWorker()

        try expectReference(cluster, strikeCount: 1)
    }

    @Test func theLastWorkerDiesAndAnotherGoesOnFromTheCheckpoint() throws {
        let cluster = try Cluster(Workplace.shared.get(), workerCount: 1)
        try cluster.addWorker()

        try cluster.strikeAtRandom(12) { try $0.killWorker(0) }
        try cluster.addWorker()

        try expectReference(cluster, strikeCount: 1)
    }

    /// It tells no address under which its checkpoints are, so workers take the one they know.
    @Test func aCoordinatorOfAllAddressesServesItsCheckpoint() throws {
        let cluster = try Cluster(
            Workplace.shared.get(), workerCount: 1, listen: "tcp://0.0.0.0:0",
            options: ["--trust-network"])
        try cluster.addWorker()

        try cluster.strikeAtRandom(13) { try $0.killWorker(0) }
        try cluster.addWorker()

        try expectReference(cluster, strikeCount: 1)
    }

    @Test func theCoordinatorKilledAndRestarted() throws {
        let cluster = try Cluster(Workplace.shared.get(), workerCount: 2)
        try cluster.addWorkers(2)

        try cluster.strikeAtRandom(21) { try $0.killCoordinator() }
        try cluster.restartCoordinator(workerCount: 2)

        try expectReference(cluster, strikeCount: 1)
    }

    @Test func coordinatorAndAWorkerKilledTogether() throws {
        let cluster = try Cluster(Workplace.shared.get(), workerCount: 3)
        try cluster.addWorkers(3)

        try cluster.strikeAtRandom(22) {
            try $0.killCoordinator()
            try $0.killWorker(2)
        }
        try cluster.restartCoordinator(workerCount: 3)

        try expectReference(cluster, strikeCount: 2)
    }

    @Test func everythingKilledAndResumedOnAnotherNumberOfWorkers() throws {
        let cluster = try Cluster(Workplace.shared.get(), workerCount: 2)
        try cluster.addWorkers(2)

        try cluster.strikeAtRandom(31) { try $0.killEverything() }
        try cluster.restartCoordinator(workerCount: 3)
        try cluster.addWorkers(3)

        try expectReference(cluster, strikeCount: 1)
    }

    @Test func aWorkerThatJoinsLateIsBroughtUpToDate() throws {
        let cluster = try Cluster(Workplace.shared.get(), workerCount: 1)
        try cluster.addWorker()

        try cluster.wait("the third step") { $0.step >= 3 }
        try cluster.addWorker()

        try expectReference(cluster)
    }

    private func expectReference(_ cluster: Cluster, strikeCount: Int = 0) throws {
        let reference =
            switch cluster.variant {
            case .f32: try Self.reference.get()
            case .bf16: try Self.referenceInBF16.get()
            case .gather: try Self.referenceWithGather.get()
            }
        let status = try cluster.finish()

        #expect(status.step == status.stepCount)
        #expect(status.stateHash == reference)
        #expect(cluster.strikes.count == strikeCount)
        #expect(cluster.strikes.allSatisfy { (1..<status.stepCount).contains($0) })
        let verification = try cluster.verification()
        #expect(verification.exitCode == 0, "\(verification.output)\(verification.errors)")
    }
}

extension Cluster {
    /// Waits for a step drawn from the seed, somewhere in the first two thirds, then strikes.
    func strikeAtRandom(_ seed: UInt64, _ strike: (Cluster) throws -> Void) throws {
        var generator = SeededGenerator(seed: seed, purpose: .testing)
        let stepCount = try statusWhenRunning().stepCount
        let step = 1 + generator.next(below: max(1, stepCount * 2 / 3))
        try wait("step \(step)") { $0.step >= step }
        try strike(self)
    }

    private func statusWhenRunning() throws -> Status {
        try wait("the first step") { $0.step >= 1 }
        return try status()
    }
}
