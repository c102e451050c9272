// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Primitives
import Testing

/// Power fails at every single operation, and the disk keeps any part of what was not synchronised.
@Suite struct CheckpointCrashTests {
    private static let losses: [SimulatedDisk.Loss] =
        [.everything, .nothing] + (0..<20).map { .random(seed: $0) }

    private static func snapshot(_ step: UInt64) -> [UInt8] {
        (0..<300).map { UInt8(truncatingIfNeeded: UInt64($0) &* step &+ 1) }
    }

    private static func publish(_ step: UInt64, _ disk: SimulatedDisk) throws {
        try CheckpointStore(directory: "/run/checkpoints", storage: disk).publish(
            snapshot(step), step: Step(step), stateHash: [UInt8](repeating: UInt8(step), count: 32))
    }

    private struct Trial {
        /// What was found per image: the step, nil for none.
        var found: [UInt64?] = []
        var unreadableCount = 0
        var warningCount = 0
        /// Images after the action had returned that lack its effect.
        var forgottenCount = 0
        var crashCount = 0
    }

    /// Runs the action with a crash at operation 1, 2, … until it returns unharmed.
    private static func everyCrash(
        lie: SimulatedDisk.Lie = .none, published: [UInt64],
        of action: (SimulatedDisk) throws -> Void, promised: UInt64
    ) throws -> Trial {
        var trial = Trial()
        var isFinished = false
        var number = 0
        while !isFinished {
            number += 1
            let disk = SimulatedDisk(lie: lie)
            try disk.createDirectory("/run")
            for step in published { try publish(step, disk) }
            disk.settle()
            disk.crash(atOperation: disk.operationCount + number)
            do {
                try action(disk)
                isFinished = true
            } catch {
                trial.crashCount += 1
            }
            for loss in losses {
                let store = CheckpointStore(
                    directory: "/run/checkpoints", storage: disk.image(losing: loss))
                do {
                    let newest = try store.newest()
                    if let newest { #expect(newest.snapshot == snapshot(newest.step.number)) }
                    trial.found.append(newest?.step.number)
                    trial.warningCount += newest?.warnings.count ?? 0
                    if isFinished && newest?.step.number != promised { trial.forgottenCount += 1 }
                } catch {
                    trial.unreadableCount += 1
                }
            }
        }
        return trial
    }

    @Test func aCrashWhilePublishingLeavesTheOldOrTheNewCheckpoint() throws {
        let trial = try Self.everyCrash(
            published: [100], of: { try Self.publish(101, $0) }, promised: 101)

        #expect(trial.crashCount >= 8)
        #expect(Set(trial.found) == [100, 101])
        #expect(trial.unreadableCount == 0)
        #expect(trial.warningCount == 0)
        #expect(trial.forgottenCount == 0)
    }

    @Test func aCrashWhilePublishingTheFirstLeavesNoneOrIt() throws {
        let trial = try Self.everyCrash(
            published: [], of: { try Self.publish(1, $0) }, promised: 1)

        #expect(trial.crashCount >= 10)
        #expect(Set(trial.found) == [nil, 1])
        #expect(trial.unreadableCount == 0)
        #expect(trial.warningCount == 0)
        #expect(trial.forgottenCount == 0)
    }

    @Test func aCrashWhileRemovingOldOnesLeavesTheNewest() throws {
        let trial = try Self.everyCrash(
            published: [1, 2, 3, 4],
            of: { disk in
                try CheckpointStore(directory: "/run/checkpoints", storage: disk)
                    .retain(newest: 2, through: Step(4))
            }, promised: 4)

        #expect(trial.crashCount >= 10)
        #expect(Set(trial.found) == [4])
        #expect(trial.unreadableCount == 0)
        #expect(trial.warningCount == 0)
    }

    @Test func aCrashWhileReplacingADamagedOneLeavesThePreviousOrTheRepaired() throws {
        let trial = try Self.everyCrash(
            published: [100, 101],
            of: { disk in
                let path = "/run/checkpoints/step-000000101/state.bin"
                try disk.write([[1, 2, 3]], to: path)
                try disk.synchronizeFile(path)
                try Self.publish(101, disk)
            }, promised: 101)

        #expect(trial.crashCount >= 12)
        #expect(Set(trial.found) == [100, 101])
        #expect(trial.unreadableCount == 0)
        #expect(trial.forgottenCount == 0)
    }

    /// The faults above can be seen: a disk that does not synchronise breaks the promise.
    @Test(arguments: [
        SimulatedDisk.Lie.fileSynchronisation, SimulatedDisk.Lie.directorySynchronisation,
    ])
    func aDiskThatLiesIsCaught(_ lie: SimulatedDisk.Lie) throws {
        let trial = try Self.everyCrash(
            lie: lie, published: [100], of: { try Self.publish(101, $0) }, promised: 101)

        #expect(trial.warningCount + trial.forgottenCount > 0)
    }

    @Test func afterACrashTheSameStepIsPublishedAndTheLeftoversGo() throws {
        for number in 1...8 {
            let disk = SimulatedDisk()
            try disk.createDirectory("/run")
            try Self.publish(100, disk)
            disk.settle()
            disk.crash(atOperation: disk.operationCount + number)
            #expect(throws: CheckpointFailure.self) { try Self.publish(101, disk) }

            let image = disk.image(losing: .nothing)
            let store = CheckpointStore(
                directory: "/run/checkpoints", writer: WorkerID(5), storage: image)
            try store.publish(
                Self.snapshot(101), step: Step(101), stateHash: [UInt8](repeating: 101, count: 32))
            try store.retain(newest: 2, through: Step(101))

            #expect(try store.newest()?.step == Step(101))
            #expect(
                try image.names(in: "/run/checkpoints")?.sorted()
                    == ["step-000000100", "step-000000101"])
        }
    }
}
