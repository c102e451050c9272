// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import Primitives
import Testing

@Suite struct CheckpointStoreTests {
    /// A store on the real disk that goes away with its scope.
    private final class Bench {
        let directory = FileManager.default.temporaryDirectory
            .appending(path: "checkpoints-\(UUID().uuidString)").path
        var store: CheckpointStore { CheckpointStore(directory: directory + "/a/b") }

        deinit { try? FileManager.default.removeItem(atPath: directory) }

        func publish(_ steps: UInt64...) throws {
            for step in steps {
                try store.publish(
                    [UInt8(truncatingIfNeeded: step), 1, 2, 3], step: Step(step),
                    stateHash: [UInt8](repeating: UInt8(truncatingIfNeeded: step), count: 32))
            }
        }

        func url(_ step: UInt64, _ name: String) -> URL {
            URL(fileURLWithPath: "\(directory)/a/b/\(CheckpointStore.name(of: Step(step)))/\(name)")
        }
    }

    @Test func theNewestComesBackByteForByte() throws {
        let bench = Bench()
        #expect(try bench.store.newest() == nil)

        try bench.publish(9, 1200, 13)
        let newest = try #require(try bench.store.newest())

        #expect(newest.step == Step(1200))
        #expect(newest.snapshot == [0xB0, 1, 2, 3])
        #expect(newest.stateHash == [UInt8](repeating: 0xB0, count: 32))
        #expect(newest.warnings == [])
        #expect(newest.path == "\(bench.directory)/a/b/step-000001200")
        #expect(try bench.store.publishedSteps() == [Step(9), Step(13), Step(1200)])
    }

    @Test func theFileIsTheOneOfTheReferenceImplementation() throws {
        struct Golden: Decodable {
            let step: UInt64
            let stateHash, snapshot, file: [UInt8]
        }
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent()
        let golden = try JSONDecoder().decode(
            Golden.self,
            from: Data(contentsOf: tests.appending(path: "Fixtures/checkpoint_state.json")))
        let bench = Bench()

        try bench.store.publish(
            golden.snapshot, step: Step(golden.step), stateHash: golden.stateHash)

        #expect(try Array(Data(contentsOf: bench.url(golden.step, "state.bin"))) == golden.file)
        let manifest = try #require(
            JSONSerialization.jsonObject(
                with: Data(contentsOf: bench.url(golden.step, "manifest.json"))) as? [String: Any])
        #expect(manifest["step"] as? UInt64 == golden.step)
        #expect(manifest["snapshotBytes"] as? Int == golden.snapshot.count)
        #expect((manifest["stateHash"] as? String)?.hasPrefix("000102") == true)
    }

    @Test func everyDamagedByteMakesThePreviousTheNewest() throws {
        let bench = Bench()
        try bench.publish(1, 2)
        let file = bench.url(2, "state.bin")
        let sound = try Data(contentsOf: file)
        var damages = sound.indices.flatMap { index in
            [UInt8(0x01), 0x80].map { bit in
                var damaged = sound
                damaged[index] ^= bit
                return damaged
            }
        }
        damages += [0, 1, 50, sound.count - 1].map { sound.prefix($0) }
        damages += [sound + [0], Data(count: sound.count)]

        for damaged in damages {
            try damaged.write(to: file)
            let newest = try #require(try bench.store.newest())

            #expect(newest.step == Step(1))
            #expect(newest.warnings.count == 1)
            #expect(newest.warnings.first?.contains(file.path) == true)
        }

        #expect(damages.count == sound.count * 2 + 6)
    }

    @Test func aMissingFileMakesThePreviousTheNewest() throws {
        let bench = Bench()
        try bench.publish(1, 2)
        try FileManager.default.removeItem(at: bench.url(2, "state.bin"))

        let newest = try bench.store.newest()

        #expect(newest?.step == Step(1))
        #expect(newest?.warnings.first?.contains("missing") == true)
    }

    @Test func aCheckpointUnderAnotherStepsNameIsNotBelieved() throws {
        let bench = Bench()
        try bench.publish(1, 2)
        try FileManager.default.moveItem(
            at: bench.url(1, "state.bin").deletingLastPathComponent(),
            to: bench.url(3, "state.bin").deletingLastPathComponent())

        let newest = try bench.store.newest()

        #expect(newest?.step == Step(2))
        #expect(newest?.warnings.first?.contains("the state of step 1") == true)
    }

    @Test func ifNoneCanBeReadEachIsNamed() throws {
        let bench = Bench()
        try bench.publish(1, 2)
        for step in [1, 2] as [UInt64] { try Data([7]).write(to: bench.url(step, "state.bin")) }

        let failure = #expect(throws: CheckpointFailure.self) { try bench.store.newest() }

        for step in [1, 2] as [UInt64] {
            #expect(failure?.description.contains(bench.url(step, "state.bin").path) == true)
        }
    }

    @Test(arguments: [true, false])
    func aDamagedManifestIsOnlyAWarning(isMissing: Bool) throws {
        let bench = Bench()
        try bench.publish(1, 2)
        let manifest = bench.url(2, "manifest.json")
        if isMissing { try FileManager.default.removeItem(at: manifest) }
        if !isMissing { try Data("{}".utf8).write(to: manifest) }

        let newest = try bench.store.newest()

        #expect(newest?.step == Step(2))
        #expect(newest?.warnings.count == 1)
        #expect(newest?.warnings.first?.contains(manifest.path) == true)
    }

    @Test func strangeNamesAreNotCheckpoints() throws {
        let bench = Bench()
        try bench.publish(5)
        for name in ["step-7", "step-0000000000000007", "step-+00000007", "x", ".step-000000009"] {
            try FileManager.default.createDirectory(
                atPath: "\(bench.directory)/a/b/\(name)", withIntermediateDirectories: true)
        }

        #expect(try bench.store.publishedSteps() == [Step(5)])
        #expect(CheckpointStore.name(of: Step(.max)) == "step-18446744073709551615")
    }

    @Test func theNewestAreRetained() throws {
        let bench = Bench()
        try bench.publish(1, 2, 3, 4)

        #expect(try bench.store.retain(newest: 2, through: Step(4)) == [])

        #expect(try bench.store.publishedSteps() == [Step(3), Step(4)])
        #expect(try bench.store.retain(newest: 5, through: Step(4)) == [])
        #expect(try bench.store.publishedSteps() == [Step(3), Step(4)])
    }

    /// A crash between publishing and the ledger leaves a later one that the ledger does not know.
    @Test func theOneThatTheLedgerKnowsStaysBesideALaterOne() throws {
        let bench = Bench()
        try bench.publish(150, 160, 173)

        #expect(try bench.store.retain(newest: 1, through: Step(160)) == [])

        #expect(try bench.store.publishedSteps() == [Step(160), Step(173)])
    }

    @Test func nothingIsRemovedWhileThoseThatStayAreDamaged() throws {
        let bench = Bench()
        try bench.publish(1, 2, 3)
        for step in [2, 3] as [UInt64] { try Data([7]).write(to: bench.url(step, "state.bin")) }

        let warnings = try bench.store.retain(newest: 2, through: Step(3))

        #expect(warnings.count == 3)
        #expect(try bench.store.newest()?.step == Step(1))
    }

    @Test func publishingTheSameStateAgainChangesNothingAndAnotherStateIsRefused() throws {
        let bench = Bench()
        try bench.publish(4)
        try bench.publish(4)

        let failure = #expect(throws: CheckpointFailure.self) {
            try bench.store.publish(
                [9], step: Step(4), stateHash: [UInt8](repeating: 9, count: 32))
        }

        #expect(failure?.description.contains("another state hash") == true)
        #expect(try bench.store.newest()?.snapshot == [4, 1, 2, 3])
    }

    @Test func twoProcessesMayPublishTheSameStep() throws {
        let disk = SimulatedDisk()
        try disk.createDirectory("/run")
        let stores = [WorkerID(1), WorkerID(2)].map {
            CheckpointStore(directory: "/run", writer: $0, storage: disk)
        }
        let hash = [UInt8](repeating: 3, count: 32)
        disk.beforeNextRename { try? stores[1].publish([1, 2], step: Step(3), stateHash: hash) }

        try stores[0].publish([1, 2], step: Step(3), stateHash: hash)

        #expect(try stores[0].newest()?.snapshot == [1, 2])
        #expect(try disk.names(in: "/run") == ["step-000000003"])
    }

    @Test func aFullDiskIsNamed() {
        let failure = #expect(throws: CheckpointFailure.self) {
            try DiskStorage().write([[1, 2, 3]], to: "/dev/full")
        }

        #expect(failure?.cause == .system(ENOSPC))
        #expect(failure?.description.contains("/dev/full") == true)
    }

    @Test func anUnusableDirectoryIsNamed() throws {
        let bench = Bench()
        try FileManager.default.createDirectory(
            atPath: bench.directory, withIntermediateDirectories: true)
        try Data([1]).write(to: URL(fileURLWithPath: bench.directory + "/a"))

        let failure = #expect(throws: CheckpointFailure.self) { try bench.publish(1) }

        #expect(failure?.path.hasPrefix(bench.directory + "/a") == true)
        #expect(failure?.cause == .system(ENOTDIR))
    }
}
