// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives
import Testing
import Training

@testable import ClusterRuntime

@Suite struct RunDirectoryTests {
    private let folder: RunFolder

    init() throws { folder = try RunFolder() }

    private func failure(
        _ reason: ExitReason, _ body: () throws -> Void
    ) throws -> ExitFailure {
        let failure = try #require(throws: ExitFailure.self, performing: body)
        #expect(failure.reason == reason)
        return failure
    }

    // MARK: - Configuration

    @Test func theSameConfigurationIsAcceptedAgainAndReadsBack() throws {
        try folder.directory.prepare(RunFolder.configuration)
        try folder.directory.adopt(RunFolder.configuration)

        #expect(try folder.directory.configuration() == RunFolder.configuration)
        #expect(FileManager.default.fileExists(atPath: folder.directory.logsPath))
    }

    @Test func anotherConfigurationIsRefusedWithTheKeysThatDiffer() throws {
        var other = RunFolder.configuration
        other.seed += 1
        other.lanes.count *= 2

        let failure = try failure(.runDirectoryRefused) {
            try folder.directory.prepare(other)
        }

        #expect(failure.message.contains(folder.path))
        #expect(failure.message.contains("seed: 2022 -> 2023; lanes.count: 8 -> 16. "))
        #expect(try folder.directory.configuration() == RunFolder.configuration)
    }

    @Test func aConfigurationThatCannotBeReadIsNamed() throws {
        try folder.write("lanes: [", to: folder.directory.configurationPath)

        let failure = try failure(.configurationInvalid) {
            try folder.directory.prepare(RunFolder.configuration)
        }

        #expect(failure.message.contains(folder.directory.configurationPath))
    }

    @Test func aFolderThatCannotBeCreatedIsNamed() throws {
        let inside = RunDirectory("\(folder.directory.configurationPath)/run")

        let failure = try failure(.storageFailed) { try inside.prepare(RunFolder.configuration) }

        #expect(failure.message.contains(inside.logsPath))
    }

    @Test func aFolderWithoutALedgerIsNoRun() throws {
        _ = try failure(.runDirectoryRefused) { try folder.directory.requireExisting() }

        _ = try Ledger(path: folder.directory.ledgerPath)

        try folder.directory.requireExisting()
    }

    // MARK: - Lock

    @Test func aSecondDescriptorDoesNotGetTheLock() throws {
        let lock = try folder.directory.lock()
        defer { close(lock) }

        let failure = try failure(.runDirectoryRefused) { _ = try folder.directory.lock() }
        #expect(failure.message.contains("another coordinator already runs in \(folder.path)"))
    }

    @Test func anotherProcessDoesNotGetTheLock() async throws {
        let lock = try folder.directory.lock()
        defer { close(lock) }

        await #expect(processExitsWith: .exitCode(67)) { [path = folder.path as String] in
            do throws(ExitFailure) {
                _ = try RunDirectory(path).lock()
            } catch {
                exit(error.reason.rawValue)
            }
        }
    }

    // Only a process can tell: a child that another test starts holds a copy of each lock of this
    // one until it executes its program.
    @Test func theLockGoesWithItsProcess() async throws {
        await #expect(processExitsWith: .exitCode(0)) { [path = folder.path as String] in
            _ = try RunDirectory(path).lock()
        }

        close(try folder.directory.lock())
    }

    @Test func aLockThatCannotBeWrittenIsNamed() throws {
        let failure = try failure(.storageFailed) { _ = try RunDirectory("/nowhere").lock() }
        #expect(failure.message.contains("/nowhere/coordinator.lock: No such file"))
    }

    private var lockPath: String { "\(folder.path)/coordinator.lock" }

    @Test func whoHoldsTheLockIsACoordinator() throws {
        #expect(!folder.directory.hasCoordinator)

        let lock = try folder.directory.lock()
        #expect(folder.directory.hasCoordinator)

        close(lock)
        #expect(!folder.directory.hasCoordinator)
    }

    /// Two who ask at the same time.
    @Test func whoOnlyAsksIsNone() throws {
        close(try folder.directory.lock())
        let asking = open(lockPath, O_RDONLY | O_CLOEXEC)
        defer { close(asking) }
        try #require(flock(asking, LOCK_SH | LOCK_NB) == 0)

        #expect(!folder.directory.hasCoordinator)
    }

    /// A lock that leads to itself cannot be opened by anybody, as that of another user may not be.
    @Test func withoutTheLockAFreshStatusTells() throws {
        try FileManager.default.createSymbolicLink(
            atPath: lockPath, withDestinationPath: lockPath)
        #expect(!folder.directory.hasCoordinator)

        try folder.write("{}", to: folder.directory.statusPath)
        #expect(folder.directory.hasCoordinator)

        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSinceNow: -60)],
            ofItemAtPath: folder.directory.statusPath)
        #expect(!folder.directory.hasCoordinator)
    }

    // MARK: - Ledger

    @Test func aFolderWithALedgerAloneIsNoRun() throws {
        _ = try Ledger(path: folder.directory.ledgerPath)
        try FileManager.default.removeItem(atPath: folder.directory.configurationPath)

        let failure = try failure(.runDirectoryRefused) { _ = try folder.directory.configuration() }

        #expect(failure.message.contains("\(folder.path) is not a run directory"))
    }

    // MARK: - Endpoint

    @Test func theEndpointReadsBack() throws {
        #expect(folder.directory.endpoint() == nil)
        let endpoint = RunDirectory.Endpoint(
            control: "tcp://10.0.0.1:7077", data: "tcp://10.0.0.1:41234", processIdentifier: 77)

        try folder.directory.writeEndpoint(endpoint)

        #expect(folder.directory.endpoint() == endpoint)
    }

    /// Written by another version, or torn by a full disk.
    @Test(arguments: ["", "{", "[]", #"{"control": "tcp://h:1"}"#])
    func anEndpointThatCannotBeReadIsAsGoodAsNone(_ text: String) throws {
        try folder.write(text, to: folder.directory.endpointPath)

        #expect(folder.directory.endpoint() == nil)
    }
}
