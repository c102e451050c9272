// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import ClusterProtocol
import Datasets
import Foundation
import Logging
import Messaging
import Primitives
import Synchronization
import Training

package struct LaunchOptions: Sendable {
    package var configurationPath: String
    package var runPath: String
    /// What a new run starts from; empty = the seed.
    package var initialPaths: [String]
    package var workerCount: Int
    package var threadCount: Int
    package var executable: URL

    package init(
        configurationPath: String, runPath: String, initialPaths: [String] = [],
        workerCount: Int, threadCount: Int, executable: URL
    ) {
        self.configurationPath = configurationPath
        self.runPath = runPath
        self.initialPaths = initialPaths
        self.workerCount = workerCount
        self.threadCount = threadCount
        self.executable = executable
    }
}

/// `accord launch`: a coordinator and workers as child processes of this machine.
///
/// A child that dies is started again, a few times; their logs go to the run directory.
/// Isolation: the thread that calls `run`.
package final class Launcher {
    private enum Role: Hashable {
        case coordinator
        case worker(Int)

        var name: String {
            switch self {
            case .coordinator: "coordinator"
            case .worker(let index): "worker-\(index)"
            }
        }
    }

    private enum Event: Sendable {
        case ended(Int32)
        case stop
    }

    private static let restartsMax = 5
    /// Of processes that may do better when they are started again.
    private static let passingReasons: Set<ExitReason> = [
        .evicted, .internalError, .memoryLacking,
    ]

    private let options: LaunchOptions
    private let directory: RunDirectory
    private let events = Mailbox<Event>()
    private let report: (String) -> Void
    private var children: [Role: Process] = [:]
    private var restarts: [Role: Int] = [:]
    private var isStopping = false
    /// The coordinator has ended with success, so the workers have nothing to do any more.
    private var isFinished = false
    private var lastStep: UInt64 = 0
    /// The present stall has been told in full.
    private var hasExplained = false
    /// Where workers look for the coordinator, also for one that was started again.
    private var endpoint: RunDirectory.Endpoint?

    /// - Parameter report: gets a line of progress about once a second.
    package static func run(
        _ options: LaunchOptions, report: @escaping (String) -> Void
    ) throws(ExitFailure) {
        try Launcher(options, report).run()
    }

    /// What a new run is about to start from, a sentence each; none for the seed, nor for a run
    /// that is there already.
    ///
    /// The coordinator reads the files as well, but only in a run directory, where its log is.
    package static func initialSentences(
        _ options: LaunchOptions
    ) throws(ExitFailure) -> [String] {
        guard !options.initialPaths.isEmpty,
            try RunDirectory(options.runPath).existingRun() == nil
        else { return [] }
        let configuration = try RunConfiguration(contentsOf: options.configurationPath)
        return try InitialState(options.initialPaths, try RunSetup(configuration)).sentences
    }

    private init(_ options: LaunchOptions, _ report: @escaping (String) -> Void) {
        self.options = options
        self.report = report
        directory = RunDirectory(options.runPath)
    }

    /// For children that crash, unless the user has said otherwise. Swift's backtracer can outlive
    /// such a process for ever, and as long as it does, nothing here learns of the end.
    private func forbidBacktraces() { setenv("SWIFT_BACKTRACE", "enable=no", 0) }

    private func run() throws(ExitFailure) {
        forbidBacktraces()
        try raiseOpenFileLimit()
        try FileWriting.makeFolder(directory.logsPath)
        try directory.requireNoCoordinator()
        if isComplete() { return report(RunStatus.complete) }
        // Of an earlier coordinator: its port may be another's by now.
        guard unlink(directory.endpointPath) == 0 || errno == ENOENT else {
            throw FileWriting.failure(directory.endpointPath, errno)
        }
        let events = self.events
        let signals = SignalWatch { _ in events.post(.stop) }
        defer { signals.cancel() }
        try start(.coordinator)
        try waitForEndpoint()
        for index in 0..<options.workerCount where !isStopping && !isFinished {
            try start(.worker(index))
        }
        try supervise()
    }

    /// Whether this very run has its last step and a checkpoint of it that can be read: a
    /// coordinator would wait in vain for the workers of that time.
    private func isComplete() -> Bool {
        do {
            guard try directory.isComplete(), let run = try directory.existingRun() else {
                return false
            }
            let configuration = try RunConfiguration(contentsOf: options.configurationPath)
            let files = try InitialState.files(options.initialPaths)
            guard configuration == (try directory.configuration()),
                options.initialPaths.isEmpty || run.origin?.isOf(files) == true,
                try RunSetup(configuration).dataFingerprint == run.fingerprint
            else { return false }
            let newest = try CheckpointStore(directory: directory.checkpointsPath).newest()
            return newest?.step == Step(UInt64(run.stepCount))
        } catch {
            // A coordinator finds the same, and says it.
            return false
        }
    }

    private func waitForEndpoint() throws(ExitFailure) {
        while endpoint == nil {
            poll([], events.wakeUp, timeoutMilliseconds: 50)
            try handleEvents()
            if children[.coordinator] == nil { return }
            endpoint = directory.endpoint()
        }
    }

    private func supervise() throws(ExitFailure) {
        var last = ""
        while !children.isEmpty {
            poll([], events.wakeUp, timeoutMilliseconds: 1000)
            try handleEvents()
            let status = directory.read(LiveStatus.self, from: directory.statusPath)
            forgiveRestarts(after: status?.cluster.committedStep ?? 0)
            if let status, !isStopping {
                if let sentence = takeLongSentence(status.cluster) { report(sentence) }
                if status.line != last { report(status.line) }
                last = status.line
            }
        }
        if isStopping { throw ExitFailure(.interrupted, "interrupted; the same command resumes") }
    }

    /// Why nothing goes on, once for each stall, if the line of progress has no room for it.
    private func takeLongSentence(_ cluster: ClusterSnapshot) -> String? {
        guard let sentence = cluster.waitingFor.first else {
            hasExplained = false
            return nil
        }
        guard !hasExplained, sentence.count > LiveStatus.lineMax else { return nil }
        hasExplained = true
        return sentence
    }

    /// Only a child that dies without any progress in between dies too often.
    private func forgiveRestarts(after step: UInt64) {
        if step > lastStep { restarts = [:] }
        lastStep = max(step, lastStep)
    }

    private func handleEvents() throws(ExitFailure) {
        for event in events.drain() {
            switch event {
            case .stop:
                isStopping = true
                for child in children.values { child.terminate() }
            case .ended(let identifier):
                let ended = children.first { $0.value.processIdentifier == identifier }
                guard let (role, child) = ended else { continue }
                children[role] = nil
                try onEnd(role, child)
            }
        }
    }

    private func onEnd(_ role: Role, _ child: Process) throws(ExitFailure) {
        let isCrash = child.terminationReason == .uncaughtSignal
        if role == .coordinator, !isCrash, child.terminationStatus == 0 {
            isFinished = true
            for worker in children.values { worker.terminate() }
        }
        if isStopping || isFinished || (!isCrash && child.terminationStatus == 0) { return }
        let reason = isCrash ? nil : ExitReason(rawValue: child.terminationStatus)
        let mayRestart = isCrash || reason.map(Self.passingReasons.contains) ?? false
        let count = restarts[role, default: 0]
        guard mayRestart, count < Self.restartsMax else {
            endAll()
            throw ExitFailure(reason ?? .internalError, lastWords(of: role))
        }
        restarts[role] = count + 1
        report("\(role.name) died (status \(child.terminationStatus)); starting it again")
        try start(role)
    }

    private func endAll() {
        isStopping = true
        for child in children.values { child.terminate() }
        for child in children.values { child.waitUntilExit() }
        children = [:]
    }

    /// The error that the child printed last.
    private func lastWords(of role: Role) -> String {
        let bytes = FileManager.default.contents(atPath: logPath(role)) ?? Data()
        let text = String(decoding: bytes, as: UTF8.self)
        let lines = text.split(separator: "\n")
        let error = lines.last { $0.hasPrefix("error: ") } ?? lines.last ?? ""
        return "\(error.replacing("error: ", with: "")) (log: \(logPath(role)))"
    }

    private func logPath(_ role: Role) -> String { "\(directory.logsPath)/\(role.name).log" }

    private func start(_ role: Role) throws(ExitFailure) {
        let child = Process()
        child.executableURL = options.executable
        child.arguments = arguments(of: role)
        child.standardInput = FileHandle.nullDevice
        do {
            let path = logPath(role)
            let file = URL(filePath: path)
            if !FileManager.default.fileExists(atPath: path) { try Data().write(to: file) }
            let log = try FileHandle(forWritingTo: file)
            try log.seekToEnd()
            child.standardOutput = log
            child.standardError = log
            let events = self.events
            child.terminationHandler = { events.post(.ended($0.processIdentifier)) }
            try child.run()
        } catch {
            throw ExitFailure(
                .storageFailed,
                "cannot start the \(role.name) (log: \(logPath(role))): "
                    + FileWriting.words(for: error))
        }
        children[role] = child
    }

    private func arguments(of role: Role) -> [String] {
        switch role {
        case .coordinator:
            [
                "coordinator", "--config", options.configurationPath, "--run", options.runPath,
                "--listen", "tcp://127.0.0.1:0", "--workers", "\(options.workerCount)",
            ] + options.initialPaths.flatMap { ["--init", $0] }
        case .worker:
            [
                "worker", "--coordinator",
                (directory.endpoint() ?? endpoint)?.control ?? "",
                "--threads", "\(options.threadCount)",
            ]
        }
    }
}
