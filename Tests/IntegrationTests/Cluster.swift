// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives

/// A coordinator and workers as real processes on loopback.
///
/// The test owns every process, so that it can kill exactly the one it means.
final class Cluster {
    let workplace: Workplace
    let run: URL
    let variant: Workplace.Variant
    /// Of the coordinator, without the number of workers.
    private let command: [String]
    private(set) var coordinator: AccordProcess
    private(set) var workers: [AccordProcess] = []
    /// Committed steps at the moment of each fault, for the assertion that it struck in mid-run.
    private(set) var strikes: [Int] = []

    init(
        _ workplace: Workplace, workerCount: Int, variant: Workplace.Variant = .f32,
        listen: String = "tcp://127.0.0.1:0", initialPath: URL? = nil, options: [String] = [],
        strike: StrikePoint? = nil
    ) throws {
        self.workplace = workplace
        self.variant = variant
        run = workplace.newRun()
        let arguments = [
            "coordinator", "--config", workplace.configuration(variant).path,
            "--run", run.path, "--listen", listen,
        ]
        command = arguments + (initialPath.map { ["--init", $0.path] } ?? []) + options
        coordinator = try AccordProcess(
            command + ["--workers", "\(workerCount)"], logsIn: workplace.directory,
            strike: strike)
    }

    /// - Parameter options: of the worker, besides.
    func addWorker(
        threads: Int = 1, options: [String] = [], at endpoint: String? = nil
    ) throws {
        workers.append(try startWorker(["--threads", "\(threads)"] + options, at: endpoint))
    }

    /// One that need not end with success.
    func startWorker(
        _ options: [String], at endpoint: String? = nil, strike: StrikePoint? = nil,
        limit: String? = nil
    ) throws -> AccordProcess {
        let known = try endpoint ?? waitForEndpoint().replacing("0.0.0.0", with: "127.0.0.1")
        return try AccordProcess(
            ["worker", "--coordinator", known] + options, logsIn: workplace.directory,
            strike: strike, limit: limit)
    }

    func addWorkers(_ count: Int, threads: Int = 1) throws {
        for _ in 0..<count { try addWorker(threads: threads) }
    }

    func killWorker(_ index: Int) throws {
        let step = try status().step
        try workers.remove(at: index).killNow()
        strikes.append(step)
    }

    /// The worker stands still.
    func freezeWorker(_ index: Int) throws -> AccordProcess {
        try strikeWorker(index) { try $0.freeze() }
    }

    /// The worker gets no more of something.
    func squeezeWorker(
        _ index: Int, of resource: AccordProcess.Resource
    ) throws -> AccordProcess {
        try strikeWorker(index) { try $0.squeeze(resource) }
    }

    /// The worker is asked to end.
    func retireWorker(_ index: Int) throws -> AccordProcess {
        try strikeWorker(index) { $0.signal(SIGTERM) }
    }

    /// The worker is no longer among those that must end with success.
    private func strikeWorker(
        _ index: Int, _ strike: (AccordProcess) throws -> Void
    ) throws -> AccordProcess {
        let step = try status().step
        let worker = workers.remove(at: index)
        try strike(worker)
        strikes.append(step)
        return worker
    }

    func squeezeCoordinator(of resource: AccordProcess.Resource) throws {
        strikes.append(try status().step)
        try coordinator.squeeze(resource)
    }

    /// Returns when all stand still.
    func pause() throws {
        try give(["pause", "--run", run.path])
        strikes.append(try status().step)
    }

    func resume() throws { try give(["resume", "--run", run.path]) }

    private func give(_ arguments: [String]) throws {
        let outcome = try AccordProcess.run(arguments, logsIn: workplace.directory)
        guard outcome.exitCode == 0 else {
            throw Unsuccessful(exitCode: outcome.exitCode, errors: outcome.errors)
        }
    }

    /// By a coordinator that has heard of it from its ledger.
    func waitUntilPaused() throws {
        let deadline = Date().addingTimeInterval(60)
        while Date() < deadline {
            let outcome = try AccordProcess.run(
                ["why", "--run", run.path], logsIn: workplace.directory)
            if outcome.output.contains("paused: `accord resume` goes on") { return }
        }
        throw Waited(what: "the paused coordinator", coordinator: coordinator.errors)
    }

    func killCoordinator() throws {
        let step = try status().step
        try coordinator.killNow()
        strikes.append(step)
    }

    func freezeCoordinator(seconds: Int) throws {
        strikes.append(try status().step)
        try coordinator.freeze()
        _ = poll(nil, 0, CInt(1000 * seconds))
        coordinator.signal(SIGCONT)
    }

    func restartCoordinator(workerCount: Int, strike: StrikePoint? = nil) throws {
        coordinator = try AccordProcess(
            command + ["--workers", "\(workerCount)"], logsIn: workplace.directory,
            strike: strike)
    }

    func killEverything() throws {
        let step = try status().step
        for process in workers + [coordinator] { process.signal(SIGKILL) }
        for process in workers + [coordinator] { try process.killNow() }
        workers = []
        strikes.append(step)
    }

    /// How a worker may end that was evicted and has come back: the run may be over before.
    static let endsOfReturned: Set<Int32> = [
        ExitReason.success.rawValue, ExitReason.rejected.rawValue,
        ExitReason.clusterUnreachable.rawValue,
    ]

    /// Waits for the whole run; the coordinator must end with success.
    ///
    /// - Parameter ends: how workers may end.
    func finish(ends: Set<Int32> = [ExitReason.success.rawValue]) throws -> Status {
        let outcome = try coordinator.wait()
        let outcomes = try workers.map { try $0.wait() }
        for outcome in [outcome] + outcomes.filter({ !ends.contains($0.exitCode) })
        where outcome.exitCode != 0 {
            throw Unsuccessful(exitCode: outcome.exitCode, errors: outcome.errors)
        }
        return try status()
    }

    func status() throws -> Status { try Self.status(of: run, workplace) }

    static func status(of run: URL, _ workplace: Workplace) throws -> Status {
        let outcome = try AccordProcess.run(
            ["status", "--run", run.path, "--json"], logsIn: workplace.directory)
        guard outcome.exitCode == 0 else {
            throw Unsuccessful(exitCode: outcome.exitCode, errors: outcome.errors)
        }
        return try JSONDecoder().decode(Status.self, from: Data(outcome.output.utf8))
    }

    func verification() throws -> AccordProcess.Outcome {
        try AccordProcess.run(
            ["verify", "--run", run.path, "--json"], logsIn: workplace.directory)
    }

    /// Asks `accord status` again and again until the condition holds.
    func wait(
        _ what: String, until condition: (Status) -> Bool
    ) throws {
        let deadline = Date().addingTimeInterval(180)
        while Date() < deadline {
            if let status = try? status(), condition(status) { return }
        }
        throw Waited(what: what, coordinator: coordinator.errors)
    }

    var hasEndpoint: Bool {
        FileManager.default.fileExists(atPath: run.appending(path: "endpoint.json").path)
    }

    /// Whether steps are left to do.
    func isRunning() throws -> Bool {
        let status = try status()
        return status.step < status.stepCount
    }

    func waitForEndpoint() throws -> String {
        let file = run.appending(path: "endpoint.json")
        let deadline = Date().addingTimeInterval(60)
        while Date() < deadline {
            if let data = try? Data(contentsOf: file),
                let endpoint = try? JSONDecoder().decode(Endpoint.self, from: data)
            {
                return endpoint.control
            }
        }
        throw Waited(what: "the endpoint file", coordinator: coordinator.errors)
    }

    struct Endpoint: Decodable { let control: String }

    struct Live: Decodable {
        struct Counts: Decodable {
            let refusedHandshakeCount: Int
            let evictionCount: Int
        }
        let cluster: Counts
    }

    struct Status: Decodable {
        let live: Live?
        let step: Int
        let stepCount: Int
        let stateHash: String?
        let maskedClips: Int
        let checkpointStep: Int
    }

    struct Unsuccessful: Error {
        let exitCode: Int32
        let errors: String
    }

    struct Waited: Error {
        let what: String
        let coordinator: String
    }
}
