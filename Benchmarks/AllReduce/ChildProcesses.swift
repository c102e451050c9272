// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// Why a part of the benchmark cannot be measured, in a sentence.
struct ExchangeFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// All child processes, so that an interruption ends every one of them.
///
/// Isolation: any thread.
final class ChildProcesses: Sendable {
    private struct State {
        var stopSignals: [Int32: Int32] = [:]
        var isInterrupted = false
    }

    private let state = Mutex(State())

    var isInterrupted: Bool { state.withLock { $0.isInterrupted } }

    /// Ends all; whoever reads from one of them finds the end of its output. None starts any more.
    func interrupt() {
        state.withLock { state in
            state.isInterrupted = true
            for (child, signal) in state.stopSignals { kill(child, signal) }
        }
    }

    /// The lock is held while it starts, so that no interruption can miss it.
    fileprivate func start(_ process: Process, stopSignal: Int32) throws {
        try state.withLock { state in
            guard !state.isInterrupted else { throw ExchangeFailure("interrupted") }
            try process.run()
            state.stopSignals[process.processIdentifier] = stopSignal
        }
    }

    fileprivate func stop(_ process: Process) {
        let child = process.processIdentifier
        state.withLock { state in
            guard let signal = state.stopSignals[child], process.isRunning else { return }
            kill(child, signal)
        }
    }

    fileprivate func wait(for process: Process) {
        process.waitUntilExit()
        state.withLock { $0.stopSignals[process.processIdentifier] = nil }
    }
}

/// A child process that one talks to in lines. It ends with this process, however that ends.
final class LineProcess {
    struct Command {
        var words: [String]
        var environment: [String: String] = [:]
        /// One that has children of its own has to hear of the end before it comes.
        var endsItsChildren = false
        /// What it complains about is said here, in fewer words.
        var isQuiet = false
    }

    private let process = Process()
    private let children: ChildProcesses
    private let input = Pipe()
    private let output = Pipe()
    private let name: String
    private var unread = Data()

    init(_ command: Command, _ children: ChildProcesses) throws {
        self.children = children
        name = command.words.joined(separator: " ")
        let signal = command.endsItsChildren ? SIGTERM : SIGKILL
        process.executableURL = URL(filePath: "/usr/bin/env")
        // The kernel sends this signal when the thread that has started the child is gone.
        process.arguments =
            ["setpriv", "--pdeathsig", signal == SIGTERM ? "TERM" : "KILL", "--"] + command.words
        process.environment = ProcessInfo.processInfo.environment
            .merging(command.environment) { $1 }
        process.standardInput = input
        process.standardOutput = output
        if command.isQuiet { process.standardError = FileHandle.nullDevice }
        try children.start(process, stopSignal: signal)
    }

    /// All words of the command replace each other in one process, so it is the last one's, too.
    var processIdentifier: Int32 { process.processIdentifier }

    func write(_ line: String) throws {
        do {
            try input.fileHandleForWriting.write(contentsOf: Data((line + "\n").utf8))
        } catch {
            throw ExchangeFailure("this has ended: \(name)")
        }
    }

    func readLine() throws -> String {
        while true {
            if let end = unread.firstIndex(of: 0x0a) {
                defer { unread = Data(unread[unread.index(after: end)...]) }
                return String(decoding: unread[..<end], as: UTF8.self)
            }
            let more = output.fileHandleForReading.availableData
            guard !more.isEmpty else { throw ExchangeFailure("this has ended: \(name)") }
            unread.append(more)
        }
    }

    /// All that it says, when it has ended with success.
    func readToEnd() throws -> String {
        unread += try output.fileHandleForReading.readToEnd() ?? Data()
        children.wait(for: process)
        guard process.terminationStatus == 0 else { throw ExchangeFailure("failed: \(name)") }
        return String(decoding: unread, as: UTF8.self)
    }

    func stop() {
        children.stop(process)
        children.wait(for: process)
    }
}
