// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterProtocol
import ClusterRuntime
import Foundation
import Primitives

/// What a coordinator spends until a cluster of simulated workers runs: its core, the coding of all
/// messages and the durable log. Sockets are not part of it.
struct JoinsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "joins",
        abstract: "CPU time of a coordinator for the joins and the first steps of many workers.")

    @Option(help: "Numbers of workers.")
    var workers: [Int] = [10, 100, 1000, 4000]

    @Option(help: "Steps that all of them report.")
    var steps: Int = 10

    func run() throws {
        print("workers  until all run  a step of all  a second of heartbeats  plan")
        for count in workers {
            let cluster = try SimulatedJoins(workerCount: count)
            defer { cluster.removeLedger() }
            let joins = try Self.processorSeconds { try cluster.join() }
            let step = try Self.processorSeconds {
                for number in 1...steps { try cluster.step(UInt64(number)) }
            }
            let second = try Self.processorSeconds {
                for _ in 0..<10 { try cluster.heartbeats() }
            }
            print(
                String(
                    format: "%7d  %10.1f ms  %10.2f ms  %19.1f ms  %6.1f kB", count,
                    1000 * joins, 1000 * step / Double(steps), 1000 * second,
                    Double(cluster.planBytes) / 1000))
        }
    }

    private static func processorSeconds(_ body: () throws -> Void) rethrows -> Double {
        let start = clock()
        try body()
        return Double(clock() - start) / Double(CLOCKS_PER_SEC)
    }
}

/// Workers that say what real ones say, without computing anything.
private final class SimulatedJoins {
    private let workerCount: Int
    private var core: CoordinatorCore
    private let ledger: Ledger
    private let path: String
    private(set) var planBytes = 0

    init(workerCount: Int) throws {
        self.workerCount = workerCount
        path =
            FileManager.default.temporaryDirectory
            .appending(path: "joins-\(UUID().uuidString).sqlite").path
        ledger = try Ledger(path: path)
        _ = try ledger.register(
            Ledger.Run(id: RunID(1), clipCount: 1000, stepCount: 1000, fingerprint: [7]))
        core = CoordinatorCore(
            .init(
                welcome: Welcome(
                    run: RunID(1), configuration: String(repeating: "key: value\n", count: 100),
                    laneCount: max(8, min(4096, workerCount)), stepCount: 1000,
                    checkpointEverySteps: 100, stateHashEverySteps: 1),
                dataFingerprint: [7], expectedWorkerCount: workerCount, startTimeoutTicks: 300,
                exchangePatienceTicks: 100, workerCountMax: workerCount,
                dataEndpoint: "tcp://10.0.0.1:7078"))
    }

    func removeLedger() {
        for suffix in ["", "-wal", "-shm"] { unlink(path + suffix) }
    }

    private var workers: some Sequence<UInt64> { 1...UInt64(workerCount) }

    private func endpoint(_ worker: UInt64) -> String {
        "tcp://10.\(worker >> 16 & 255).\(worker >> 8 & 255).\(worker & 255):40000"
    }

    /// All that a shell does but the sockets: messages are decoded, answers encoded once for all
    /// who hear the same, records made durable.
    private func tell(_ message: WorkerMessage, from worker: UInt64) throws {
        let decoded = try WorkerMessage(decoding: message.encode())
        try perform(core.handle(.received(decoded, from: WorkerID(worker))))
    }

    private func perform(_ directives: [CoordinatorCore.Directive]) throws {
        for directive in directives {
            switch directive {
            case .persist(let record): try ledger.append(record)
            case .send(_, let message): _ = message.encode()
            case .broadcast(_, let message):
                let bytes = message.encode()
                if case .begin = message { planBytes = bytes.count }
            case .fetchSnapshot, .note, .finish: break
            }
        }
    }

    func join() throws {
        for worker in workers {
            let member = Member(
                worker: WorkerID(worker), dataEndpoint: "", threadCount: 16,
                hostName: "node-\(worker)", processIdentifier: Int32(worker))
            try tell(
                .join(
                    protocolVersion: WorkerMessage.protocolVersion, member,
                    numericClass: "f32 AVX-512"), from: worker)
        }
        for worker in workers {
            try tell(
                .enter(
                    dataFingerprint: [7], dataEndpoint: endpoint(worker), machine: "m\(worker)"),
                from: worker)
        }
        try perform(core.handle(.tick))
        for worker in workers {
            try tell(
                .ready(
                    Generation(1),
                    WorkerProgress(
                        hasState: false, applied: .initial, keptResultCount: 0, attempt: 1,
                        attemptScales: [], heldLanes: [])), from: worker)
        }
    }

    func step(_ number: UInt64) throws {
        let report = StepReport(
            generation: Generation(1), step: Step(number), skipped: false, attempts: 1,
            stateHash: [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 32),
            payload: [UInt8](repeating: 0, count: 300))
        for worker in workers { try tell(.stepApplied(report), from: worker) }
        guard core.committed == Step(number) else {
            throw ExitFailure(.internalError, "step \(number) was not committed")
        }
    }

    func heartbeats() throws {
        for worker in workers {
            try tell(
                .heartbeat(
                    Heartbeat(
                        generation: Generation(1), applied: core.committed, isExchanging: true,
                        activity: "computes 1 lanes of step \(core.committed.next)",
                        exchangeTimes: .init(), laneMicroseconds: 900_000)), from: worker)
        }
        try perform(core.handle(.tick))
    }
}
