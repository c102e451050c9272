// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Datasets
import Foundation
import Primitives
import Training

/// The folder of one run: configuration, ledger, checkpoints, status, logs.
///
/// Isolation: any thread.
package struct RunDirectory: Sendable {
    /// Where workers find the coordinator; written after the sockets listen.
    package struct Endpoint: Codable, Equatable, Sendable {
        package var control: String
        package var data: String
        package var processIdentifier: Int32
    }

    package let path: String

    package init(_ path: String) { self.path = path }

    package var configurationPath: String { "\(path)/config.yaml" }
    package var ledgerPath: String { "\(path)/run.sqlite" }
    package var checkpointsPath: String { "\(path)/checkpoints" }
    package var statusPath: String { "\(path)/status.json" }
    package var endpointPath: String { "\(path)/endpoint.json" }
    package var logsPath: String { "\(path)/logs" }
    private var lockPath: String { "\(path)/coordinator.lock" }

    package func requireExisting() throws(ExitFailure) {
        guard FileManager.default.fileExists(atPath: ledgerPath) else {
            throw ExitFailure(
                .runDirectoryRefused,
                "\(path) is not a run directory (it has no run.sqlite); is the path right?")
        }
    }

    /// The configuration with which the run was created.
    package func configuration() throws(ExitFailure) -> RunConfiguration {
        guard FileManager.default.fileExists(atPath: configurationPath) else {
            throw ExitFailure(
                .runDirectoryRefused,
                "\(path) is not a run directory (it has no config.yaml), or its run was "
                    + "interrupted while it was created: then the same command creates it")
        }
        return try RunConfiguration(contentsOf: configurationPath)
    }

    /// Whether a run was created here: its configuration is written last.
    var hasRun: Bool { FileManager.default.fileExists(atPath: configurationPath) }

    /// What the ledger says of the run; nil while none was created here.
    package func existingRun() throws(ExitFailure) -> Ledger.Run? {
        guard FileManager.default.fileExists(atPath: ledgerPath) else { return nil }
        return try readableLedger().existingRun()
    }

    /// The ledger, beside a running coordinator or without one.
    ///
    /// SQLite reads by the help of files beside a ledger that is written ahead, and makes them
    /// where they are not. Who may not write here reads the one file as it is, if nobody writes
    /// and everything is in it.
    func readableLedger() throws(ExitFailure) -> Ledger {
        var ahead = stat()
        let isWhole = stat("\(ledgerPath)-wal", &ahead) != 0 || ahead.st_size == 0
        return try Ledger(
            path: ledgerPath, isReadOnly: true,
            isAlone: access(path, W_OK) != 0 && isWhole && !hasCoordinator)
    }

    /// Whether the last step was committed and its checkpoint is published: then nothing is left
    /// to do.
    func isComplete() throws(ExitFailure) -> Bool {
        guard FileManager.default.fileExists(atPath: ledgerPath) else { return false }
        return try readableLedger().isComplete()
    }

    /// Creates the folder, or checks that it belongs to this configuration.
    package func prepare(_ configuration: RunConfiguration) throws(ExitFailure) {
        try FileWriting.makeFolder(logsPath)
        guard FileManager.default.fileExists(atPath: configurationPath) else { return }
        let differences = configuration.differences(from: try self.configuration())
        let isAppointed = try resizesBanks(configuration)
        guard differences.isEmpty || isAppointed else {
            throw ExitFailure(
                .runDirectoryRefused,
                "\(path) belongs to another configuration: \(differences.joined(separator: "; ")). "
                    + "Use another --run, or the configuration it was started with")
        }
    }

    /// Whether the banks get another size after a step that is still to come: the one difference
    /// that a resumed run may have.
    private func resizesBanks(_ configuration: RunConfiguration) throws(ExitFailure) -> Bool {
        guard try existingRun() != nil else { return false }
        let committed: Step
        do {
            let newest = try readableLedger().newest()
            committed = newest.step?.report.step ?? .initial
        } catch {
            throw ExitFailure(.storageFailed, "cannot read the ledger \(ledgerPath): \(error)")
        }
        let known = try self.configuration()
        return configuration != known && configuration.resizesBanks(of: known, after: committed)
    }

    /// Writes the configuration down, once the ledger has the run: a folder with config.yaml has
    /// one, and so it is known what it began from.
    package func adopt(_ configuration: RunConfiguration) throws(ExitFailure) {
        if FileManager.default.fileExists(atPath: configurationPath) {
            guard try resizesBanks(configuration) else { return }
        }
        try FileWriting.replace(
            configurationPath, with: Foundation.Data(configuration.resolvedYAML.utf8))
    }

    /// Holds the folder for one coordinator; the lock goes with the process.
    ///
    /// - Returns: the descriptor that keeps the lock.
    package func lock() throws(ExitFailure) -> CInt {
        let descriptor = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw FileWriting.failure(lockPath, errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw ExitFailure(
                .runDirectoryRefused,
                "another coordinator already runs in \(path); stop it, or use another --run")
        }
        return descriptor
    }

    /// In seconds; nil while there is no status.
    var statusAge: Double? {
        do {
            let attributes = try FileManager.default.attributesOfItem(atPath: statusPath)
            return (attributes[.modificationDate] as? Date).map { -$0.timeIntervalSinceNow }
        } catch {
            return nil
        }
    }

    /// Without the lock, a status that was written so lately says that a coordinator runs. Longer
    /// than a network file system keeps what it knows of a file.
    private static let freshStatusSeconds = 10.0

    /// Whether a coordinator holds the folder now. Where the lock cannot tell, because others may
    /// not read it or the file system knows none, the age of the status does.
    package var hasCoordinator: Bool {
        // To read is enough, and two who ask share the lock: neither takes the other for a
        // coordinator.
        let descriptor = open(lockPath, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return errno != ENOENT && hasFreshStatus }
        defer { close(descriptor) }
        guard flock(descriptor, LOCK_SH | LOCK_NB) != 0 else { return false }
        return errno == EWOULDBLOCK || hasFreshStatus
    }

    private var hasFreshStatus: Bool { statusAge.map { $0 < Self.freshStatusSeconds } ?? false }

    /// - Throws: `.runDirectoryRefused` while a coordinator runs here.
    func requireNoCoordinator() throws(ExitFailure) { close(try lock()) }

    package func writeEndpoint(_ endpoint: Endpoint) throws(ExitFailure) {
        try write(json: endpoint, to: endpointPath)
    }

    /// Nil while no coordinator has listened yet.
    package func endpoint() -> Endpoint? { read(Endpoint.self, from: endpointPath) }

    func write(json value: some Encodable, to path: String) throws(ExitFailure) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        do {
            try FileWriting.replace(path, with: try encoder.encode(value))
        } catch let failure as ExitFailure {
            throw failure
        } catch {
            throw ExitFailure(.internalError, "\(path) cannot be encoded: \(error)")
        }
    }

    func read<Value: Decodable>(_ type: Value.Type, from path: String) -> Value? {
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        do {
            return try JSONDecoder().decodeUntrusted(type, from: data)
        } catch {
            // Written by another version: as good as missing, and rewritten within a second.
            return nil
        }
    }
}
