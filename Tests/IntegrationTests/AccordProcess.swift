// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import Testing

/// One run of the `accord` executable that stands beside the test bundle.
final class AccordProcess: Sendable {
    struct Outcome: Sendable {
        /// The number of the signal, if one ended the process.
        let exitCode: Int32
        let endedBySignal: Bool
        let output: String
        let errors: String
    }

    private let process: Mutex<Process>
    private let outputPath: URL
    private let errorPath: URL
    private let finished = DispatchSemaphore(value: 0)
    let arguments: [String]
    let identifier: Int32

    /// Starts `accord` with the given arguments; its output goes to files in `directory`.
    /// - Parameter limit: an option of prlimit(1), such as --nofile=100.
    init(
        _ arguments: [String], logsIn directory: URL, strike: StrikePoint? = nil,
        limit: String? = nil, environment: [String: String] = withoutBacktracer
    ) throws {
        self.arguments = arguments
        let name = "\(arguments.first ?? "accord")-\(UUID().uuidString)"
        outputPath = directory.appending(path: "\(name).out")
        errorPath = directory.appending(path: "\(name).err")
        try Data().write(to: outputPath)
        try Data().write(to: errorPath)
        let process = Process()
        process.executableURL = limit == nil ? Self.executable : Self.limiter
        process.arguments = (limit.map { [$0, Self.executable.path] } ?? []) + arguments
        process.environment = environment.merging(strike?.variables ?? [:]) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: outputPath)
        process.standardError = try FileHandle(forWritingTo: errorPath)
        let finished = self.finished
        process.terminationHandler = { _ in finished.signal() }
        try process.run()
        identifier = process.processIdentifier
        self.process = Mutex(process)
    }

    /// Swift's backtracer can outlive a crashed process, whose end is then not seen.
    static let withoutBacktracer = ProcessInfo.processInfo.environment.merging(
        ["SWIFT_BACKTRACE": "enable=no"]
    ) { $1 }

    private static let limiter = URL(filePath: "/usr/bin/prlimit")

    static var executable: URL {
        URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
            .appending(path: "accord")
    }

    func signal(_ signal: Int32) { _ = kill(identifier, signal) }

    var isRunning: Bool { process.withLock { $0.isRunning } }

    /// Waits until the system says that it stands still.
    func freeze() throws {
        signal(SIGSTOP)
        let deadline = Date().addingTimeInterval(60)
        while Date() < deadline {
            if Self.state(of: identifier)?.first == "T" { return }
        }
        throw StillRunning(arguments: arguments, seconds: 60, errors: errors)
    }

    /// What the system can limit.
    enum Resource { case memory, descriptors }

    /// The system gives it no more than it has.
    func squeeze(_ resource: Resource) throws {
        let command = Process()
        command.executableURL = Self.limiter
        let option =
            switch resource {
            case .memory: "--as=1:"
            // No less: poll(2) takes no more entries than this.
            case .descriptors: "--nofile=\(try lowestFreeDescriptor()):"
            }
        command.arguments = ["--pid", "\(identifier)", option]
        try command.run()
        command.waitUntilExit()
        guard command.terminationStatus == 0 else { throw EndedBefore(arguments: arguments) }
    }

    private func lowestFreeDescriptor() throws -> Int {
        let names = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(identifier)/fd")
        let open = Set(names.compactMap { Int($0) })
        return (0...open.count).first { !open.contains($0) } ?? open.count
    }

    /// The most that it has had so far; nil if it has ended.
    func addressBytesMax() -> Int? {
        let lines = FileManager.default.contents(atPath: "/proc/\(identifier)/status").map {
            String(decoding: $0, as: UTF8.self)
        }?.split(separator: "\n")
        let line = lines?.first { $0.hasPrefix("VmPeak:") }
        return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
            .map { $0 << 10 }
    }

    /// What the system says of a process behind its name: the state, the parent and more. Nil if
    /// it has ended.
    static func state(of process: Int32) -> [Substring]? {
        // The name may hold anything.
        FileManager.default.contents(atPath: "/proc/\(process)/stat").map {
            String(decoding: $0, as: UTF8.self)
        }?.split(separator: ")").last?.split(separator: " ")
    }

    /// Kills the process and waits until it is gone.
    ///
    /// - Throws: when it had already ended by itself: then nothing was killed.
    func killNow() throws {
        signal(SIGKILL)
        let outcome = try wait()
        guard outcome.endedBySignal else { throw EndedBefore(arguments: arguments) }
    }

    struct EndedBefore: Error { let arguments: [String] }

    /// - Throws: when the process is still there after `seconds`; it is killed then.
    func wait(seconds: Double = 240) throws -> Outcome {
        guard finished.wait(timeout: .now() + seconds) == .success else {
            signal(SIGKILL)
            throw StillRunning(arguments: arguments, seconds: seconds, errors: errors)
        }
        finished.signal()
        let (exitCode, endedBySignal) = process.withLock {
            ($0.terminationStatus, $0.terminationReason == .uncaughtSignal)
        }
        return Outcome(
            exitCode: exitCode, endedBySignal: endedBySignal, output: output, errors: errors)
    }

    var output: String { Self.text(outputPath) }
    var errors: String { Self.text(errorPath) }

    private static func text(_ path: URL) -> String {
        (try? String(contentsOf: path, encoding: .utf8)) ?? ""
    }

    struct StillRunning: Error {
        let arguments: [String]
        let seconds: Double
        let errors: String
    }

    /// Runs to the end.
    static func run(_ arguments: [String], logsIn directory: URL) throws -> Outcome {
        try AccordProcess(arguments, logsIn: directory).wait()
    }
}
