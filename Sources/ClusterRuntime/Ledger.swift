// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Datasets
import Foundation
import GRDB
import Hashing
import Primitives

/// The durable log of a run, in SQLite: every decision is here before anybody hears of it.
///
/// Committed steps form a hash chain: each row's hash covers its content and the row before.
/// Isolation: one thread writes; readers open their own.
package final class Ledger {
    private let database: DatabaseQueue
    private var lastHash: [UInt8]

    /// - Parameters:
    ///   - isReadOnly: for `accord status` and `accord verify`, beside a running coordinator.
    ///   - isAlone: nobody writes, so that no other file is needed to read this one.
    package init(
        path: String, isReadOnly: Bool = false, isAlone: Bool = false
    ) throws(ExitFailure) {
        do {
            var configuration = Configuration()
            configuration.readonly = isReadOnly
            configuration.busyMode = .timeout(10)
            if !isReadOnly {
                configuration.prepareDatabase { database in
                    try database.execute(sql: "PRAGMA journal_mode = WAL")
                    try database.execute(sql: "PRAGMA synchronous = FULL")
                }
            }
            database = try DatabaseQueue(
                path: isAlone ? Self.immutableAddress(of: path) : path,
                configuration: configuration)
            lastHash = []
            // A crash may have left a ledger without tables, and readers do not make them.
            guard !isReadOnly else { return }
            try Self.migrator.migrate(database)
            lastHash = try database.read {
                try Data.fetchOne($0, sql: "SELECT hash FROM step ORDER BY number DESC LIMIT 1")
                    .map(Array.init) ?? Self.run($0)?.chainRoot ?? []
            }
        } catch {
            throw Self.failure("open", path, error)
        }
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1") { database in
            try database.execute(
                sql: """
                    CREATE TABLE run (id INTEGER NOT NULL, clipCount INTEGER NOT NULL,
                        stepCount INTEGER NOT NULL, fingerprint BLOB NOT NULL, endpoint TEXT,
                        numericClass TEXT);
                    CREATE TABLE generation (number INTEGER PRIMARY KEY, members TEXT NOT NULL,
                        plan TEXT);
                    CREATE TABLE step (number INTEGER PRIMARY KEY, generation INTEGER NOT NULL,
                        skipped INTEGER NOT NULL, attempts INTEGER NOT NULL,
                        stateHash BLOB NOT NULL, payload BLOB NOT NULL, hash BLOB NOT NULL);
                    CREATE TABLE maskedClip (step INTEGER NOT NULL, clipIndex INTEGER NOT NULL,
                        reason TEXT NOT NULL, PRIMARY KEY (step, clipIndex));
                    CREATE TABLE checkpoint (step INTEGER PRIMARY KEY, stateHash BLOB NOT NULL);
                    CREATE TABLE event (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
                    """)
        }
        migrator.registerMigration("2") { database in
            try database.execute(sql: "ALTER TABLE run ADD COLUMN origin TEXT")
        }
        migrator.registerMigration("3") { database in
            try database.execute(
                sql: "ALTER TABLE run ADD COLUMN isPaused INTEGER NOT NULL DEFAULT 0")
        }
        migrator.registerMigration("4") { database in
            guard try Int.fetchOne(database, sql: "SELECT count(*) FROM step") == 0 else {
                throw EarlierRun()
            }
        }
        return migrator
    }

    /// Its state hashes cover other bytes than those of now.
    private struct EarlierRun: Error, CustomStringConvertible {
        let description =
            "the run was begun by an earlier version of Accord, whose state hashes are others; "
            + "end it with that version, or begin a new one"
    }

    // MARK: - Writing

    /// What identifies the run; written once.
    package struct Run: Equatable, Sendable {
        package var id: RunID
        package var clipCount: Int
        package var stepCount: Int
        package var fingerprint: [UInt8]
        /// Nil for a run that began from its seed.
        package var origin: RunOrigin?

        package init(
            id: RunID, clipCount: Int, stepCount: Int, fingerprint: [UInt8],
            origin: RunOrigin? = nil
        ) {
            self.id = id
            self.clipCount = clipCount
            self.stepCount = stepCount
            self.fingerprint = fingerprint
            self.origin = origin
        }

        /// What the hash of step 1 covers as the row before it.
        var chainRoot: [UInt8] { origin?.digest.bytes ?? [] }
    }

    /// Durable when it returns.
    package func append(_ record: LogRecord) throws(ExitFailure) {
        do {
            // The chain goes on from what is durable, so it moves after the transaction.
            lastHash = try database.write { try write(record, $0) } ?? lastHash
        } catch {
            throw Self.failure("write", database.path, error)
        }
    }

    /// - Returns: the end of the chain, if the record is a link of it.
    private func write(_ record: LogRecord, _ database: Database) throws -> [UInt8]? {
        switch record {
        case .generation(let generation, let members):
            try database.execute(
                sql: "INSERT INTO generation (number, members) VALUES (?, ?)",
                arguments: [Int64(generation.number), try Self.json(members)])
        case .plan(let plan):
            try database.execute(
                sql: "UPDATE generation SET plan = ? WHERE number = ?",
                arguments: [try Self.json(plan), Int64(plan.generation.number)])
        case .committed(let report):
            let hash = Self.chainHash(of: report, after: lastHash)
            try database.execute(
                sql: """
                    INSERT INTO step
                        (number, generation, skipped, attempts, stateHash, payload, hash)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    Int64(report.step.number), Int64(report.generation.number), report.skipped,
                    report.attempts, Data(report.stateHash), Data(report.payload), Data(hash),
                ])
            return hash
        case .masked(let clip, let reason):
            try database.execute(
                sql: "INSERT OR IGNORE INTO maskedClip VALUES (?, ?, ?)",
                arguments: [Int64(clip.step.number), clip.clipIndex, reason])
        case .checkpoint(let step, let stateHash):
            try database.execute(
                sql: "INSERT OR REPLACE INTO checkpoint VALUES (?, ?)",
                arguments: [Int64(step.number), Data(stateHash)])
        case .numericClass(let name):
            try database.execute(sql: "UPDATE run SET numericClass = ?", arguments: [name])
        case .paused(let isPaused):
            try database.execute(sql: "UPDATE run SET isPaused = ?", arguments: [isPaused])
        case .event(let text):
            try database.execute(sql: "INSERT INTO event (text) VALUES (?)", arguments: [text])
        }
        return nil
    }

    /// Writes the run, or returns the one that is there.
    package func register(_ run: Run) throws(ExitFailure) -> Run {
        do {
            if let existing = try database.read({ try Self.run($0) }) { return existing }
            try database.write { database in
                try database.execute(
                    sql: """
                        INSERT INTO run (id, clipCount, stepCount, fingerprint, origin)
                        VALUES (?, ?, ?, ?, ?)
                        """,
                    arguments: [
                        Int64(bitPattern: run.id.value), run.clipCount, run.stepCount,
                        Data(run.fingerprint), try run.origin.map(Self.json),
                    ])
            }
            lastHash = run.chainRoot
            return run
        } catch {
            throw Self.failure("write", database.path, error)
        }
    }

    /// Checkpoints that cannot be read any more do not count.
    package func forgetCheckpoints(after step: Step) throws(ExitFailure) {
        do {
            try database.write {
                try $0.execute(
                    sql: "DELETE FROM checkpoint WHERE step > ?", arguments: [Int64(step.number)])
            }
        } catch {
            throw Self.failure("write", database.path, error)
        }
    }

    /// The control endpoint, so that a restarted coordinator listens where its workers look.
    package var endpoint: String? {
        get throws(ExitFailure) {
            do {
                return try database.read {
                    try String.fetchOne($0, sql: "SELECT endpoint FROM run")
                }
            } catch {
                throw Self.failure("read", database.path, error)
            }
        }
    }

    package func setEndpoint(_ endpoint: String) throws(ExitFailure) {
        do {
            try database.write {
                try $0.execute(sql: "UPDATE run SET endpoint = ?", arguments: [endpoint])
            }
        } catch {
            throw Self.failure("write", database.path, error)
        }
    }

    // MARK: - Reading

    /// Nil also in a ledger that a crash has left without its tables.
    private static func run(_ database: Database) throws -> Run? {
        guard try database.tableExists("run") else { return nil }
        return try Row.fetchOne(database, sql: "SELECT * FROM run").map { row in
            Run(
                id: RunID(UInt64(bitPattern: row["id"] as Int64)),
                clipCount: row["clipCount"], stepCount: row["stepCount"],
                fingerprint: Array(row["fingerprint"] as Data),
                origin: try (row["origin"] as String?).map { try value(RunOrigin.self, $0) })
        }
    }

    /// Whether the last step and a checkpoint of it are there.
    func isComplete() throws(ExitFailure) -> Bool {
        guard try existingRun() != nil else { return false }
        do {
            return try database.read { database in
                try Bool.fetchOne(
                    database,
                    sql: """
                        SELECT stepCount = (SELECT MAX(number) FROM step)
                            AND stepCount = (SELECT MAX(step) FROM checkpoint) FROM run
                        """) ?? false
            }
        } catch {
            throw Self.failure("read", database.path, error)
        }
    }

    package func existingRun() throws(ExitFailure) -> Run? {
        do {
            return try database.read { try Self.run($0) }
        } catch {
            throw Self.failure("read", database.path, error)
        }
    }

    /// What a coordinator that starts again must know.
    package func restore() throws(ExitFailure) -> CoordinatorLog {
        do {
            return try database.read { try Self.restore($0) }
        } catch {
            throw Self.failure("read", database.path, error)
        }
    }

    private static func restore(_ database: Database) throws -> CoordinatorLog {
        var log = CoordinatorLog()
        if let row = try Row.fetchOne(
            database, sql: "SELECT * FROM generation ORDER BY number DESC LIMIT 1")
        {
            log.generation = Generation(UInt64(row["number"] as Int64))
            log.members = try value([Member].self, row["members"])
            if let plan = row["plan"] as String? { log.plan = try value(StepPlan.self, plan) }
        }
        log.numericClass = try String.fetchOne(database, sql: "SELECT numericClass FROM run")
        log.isPaused = try Bool.fetchOne(database, sql: "SELECT isPaused FROM run") ?? false
        log.hasGivenState = try run(database)?.origin != nil
        log.committed = Step(
            UInt64(try Int64.fetchOne(database, sql: "SELECT MAX(number) FROM step") ?? 0))
        log.checkpoint = Step(
            UInt64(try Int64.fetchOne(database, sql: "SELECT MAX(step) FROM checkpoint") ?? 0))
        let hashes = try Row.fetchAll(
            database, sql: "SELECT number, stateHash FROM step WHERE length(stateHash) > 0")
        for row in hashes {
            let step = Step(UInt64(row["number"] as Int64))
            log.stateHashes[step] = Array(row["stateHash"] as Data)
        }
        for row in try Row.fetchAll(database, sql: "SELECT step, clipIndex FROM maskedClip") {
            log.masked.insert(
                MaskedClip(
                    step: Step(UInt64(row["step"] as Int64)), clipIndex: row["clipIndex"]))
        }
        return log
    }

    /// A row of the hash chain.
    package struct CommittedStep: Sendable {
        package var report: StepReport
        package var hash: [UInt8]
    }

    /// Calls `body` for every committed step in order, without holding all of them.
    package func forEachStep(_ body: (CommittedStep) throws -> Void) throws {
        try database.read { database in
            let rows = try Row.fetchCursor(database, sql: "SELECT * FROM step ORDER BY number")
            while let row = try rows.next() {
                try body(
                    CommittedStep(
                        report: StepReport(
                            generation: Generation(UInt64(row["generation"] as Int64)),
                            step: Step(UInt64(row["number"] as Int64)), skipped: row["skipped"],
                            attempts: row["attempts"],
                            stateHash: Array(row["stateHash"] as Data),
                            payload: Array(row["payload"] as Data)),
                        hash: Array(row["hash"] as Data)))
            }
        }
    }

    package func checkpoints() throws -> [(step: Step, stateHash: [UInt8])] {
        try database.read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM checkpoint ORDER BY step").map {
                (Step(UInt64($0["step"] as Int64)), Array($0["stateHash"] as Data))
            }
        }
    }

    package struct Counts: Equatable, Sendable {
        package var maskedClips: Int
        package var generations: Int
        package var skippedSteps: Int
        package var secondAttempts: Int
    }

    package func counts() throws -> Counts {
        try database.read { database in
            func count(_ sql: String) throws -> Int { try Int.fetchOne(database, sql: sql) ?? 0 }
            return Counts(
                maskedClips: try count("SELECT COUNT(*) FROM maskedClip"),
                generations: try count("SELECT COUNT(*) FROM generation"),
                skippedSteps: try count("SELECT COUNT(*) FROM step WHERE skipped"),
                secondAttempts: try count("SELECT COUNT(*) FROM step WHERE attempts > 1"))
        }
    }

    /// The newest committed step, and the newest state hash with its step.
    package func newest() throws -> (step: CommittedStep?, hashed: CommittedStep?) {
        var last: CommittedStep?
        var hashed: CommittedStep?
        try forEachStep { step in
            last = step
            if !step.report.stateHash.isEmpty { hashed = step }
        }
        return (last, hashed)
    }

    // MARK: - Chain

    /// SHA-256 over the hash before and the row's content.
    package static func chainHash(of report: StepReport, after previous: [UInt8]) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(block: previous)
        writer.write(report.step.number)
        writer.write(report.generation.number)
        writer.write(report.skipped)
        writer.write(UInt8(truncatingIfNeeded: report.attempts))
        writer.write(block: report.stateHash)
        writer.write(block: report.payload)
        return Digest(of: writer.bytes).bytes
    }

    private static func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    private static func value<Value: Decodable>(
        _ type: Value.Type, _ text: String
    ) throws -> Value {
        try JSONDecoder().decodeUntrusted(type, from: Data(text.utf8))
    }
}
