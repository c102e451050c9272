// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

/// What a core makes of messages: none may end its process, in any order.
extension FuzzedDecoder {
    /// A script: an operation, then what it takes. Under 4 a message of that worker (u16 length and
    /// bytes), else so many ticks.
    static func script(_ parts: [(operation: UInt8, message: [UInt8])]) -> [UInt8] {
        var writer = ByteWriter()
        for part in parts {
            writer.write(part.operation)
            guard part.operation < 4 else { continue }
            writer.write(UInt16(part.message.count))
            part.message.withUnsafeBytes { writer.write(raw: $0) }
        }
        return writer.bytes
    }

    private static func play(
        _ bytes: [UInt8], tick: () throws -> Void, message: (UInt8, [UInt8]) throws -> Void
    ) throws {
        var reader = ByteReader(bytes)
        while reader.remainingBytes > 0 {
            let operation = try reader.read(UInt8.self, "operation")
            if operation >= 4 {
                for _ in 0..<operation { try tick() }
                continue
            }
            let count = Int(try reader.read(UInt16.self, "length"))
            let taken = min(count, reader.remainingBytes)
            try message(operation, Array(try reader.readRaw(taken, "message")))
        }
    }

    static func coordinator() -> FuzzedDecoder {
        let joins: [WorkerMessage] = [1, 2].map {
            .join(
                protocolVersion: WorkerMessage.protocolVersion, member($0), numericClass: "avx2")
        }
        let ready = WorkerMessage.ready(
            Generation(1),
            WorkerProgress(
                hasState: false, applied: .initial, keptResultCount: 0, attempt: 1,
                attemptScales: [], heldLanes: []))
        let seeds: @Sendable () -> [[UInt8]] = {
            let begin: [(UInt8, WorkerMessage)] = [
                (1, joins[0]), (2, joins[1]), (1, workerMessages[1]), (2, workerMessages[1]),
            ]
            let running = [(1, ready), (2, ready)] as [(UInt8, WorkerMessage)]
            let rest = workerMessages.dropFirst(2).map { (1 as UInt8, $0) }
            return [begin, begin + running, begin + running + rest].map { parts in
                script(
                    parts.flatMap { part in
                        [(part.0, part.1.encode()), (4 as UInt8, [])]
                    } + [(40, [])])
            }
        }
        return FuzzedDecoder("coordinator-core", seeds: seeds) {
            { bytes in
                var core = CoordinatorCore(
                    .init(
                        welcome: welcome, dataFingerprint: [1, 2], expectedWorkerCount: 2,
                        startTimeoutTicks: 5, exchangePatienceTicks: 20, workerCountMax: 3,
                        dataEndpoint: "tcp://10.0.0.9:1"))
                try play(bytes) {
                    try check(core.handle(.tick))
                    _ = core.snapshot
                } message: { worker, bytes in
                    let message = try WorkerMessage(decoding: bytes)
                    try check(
                        core.handle(.received(message, from: WorkerID(UInt64(worker)))))
                    _ = core.snapshot
                }
            }
        }
    }

    /// The ledger keeps signed numbers, and every message must be one that the other side reads.
    private static func check(_ directives: [CoordinatorCore.Directive]) throws {
        for directive in directives {
            switch directive {
            case .persist(.committed(let report)):
                try expect("a step fits the ledger") {
                    Int64(exactly: report.step.number) != nil
                        && Int64(exactly: report.generation.number) != nil
                }
            case .persist(.masked(let clip, _)):
                try expect("a step fits the ledger") { Int64(exactly: clip.step.number) != nil }
            case .send(_, let message), .broadcast(_, let message):
                try expect("a message reads back") {
                    try CoordinatorMessage(decoding: message.encode()) == message
                }
            default: break
            }
        }
    }

    static func worker() -> FuzzedDecoder {
        let seeds: @Sendable () -> [[UInt8]] = {
            [
                script(coordinatorMessages.map { (operation: 0, message: $0.encode()) }),
                [0, 2, 3].map { script([(0, coordinatorMessages[$0].encode()), (4, [])]) }
                    .flatMap(\.self) + [50],
            ]
        }
        return FuzzedDecoder("worker-core", seeds: seeds) {
            { bytes in
                var core = WorkerCore(
                    .init(
                        member: member(1), numericClass: "avx2",
                        coordinatorEndpoint: "tcp://10.0.0.9:1", coordinatorSilenceTicksMax: 100))
                func handle(_ event: WorkerCore.Event) throws {
                    for directive in core.handle(event) {
                        try answer(directive) { try handle($0) }
                    }
                }
                try play(bytes) {
                    try handle(.tick)
                } message: { _, bytes in
                    try handle(.received(try CoordinatorMessage(decoding: bytes)))
                }
            }
        }
    }

    /// As a shell in which everything goes well does it, but for the exchange, which never ends.
    private static func answer(
        _ directive: WorkerCore.Directive, _ handle: (WorkerCore.Event) throws -> Void
    ) throws {
        switch directive {
        case .prepareEnvironment:
            try handle(
                .environmentReady(
                    .init(dataFingerprint: [1], dataEndpoint: "e", machine: nil, tensorCount: 3)))
        case .catchUp(let choice, let step, goal: _, isAwaited: _):
            let isState = if case .fetchState = choice { true } else { false }
            try handle(.caughtUp(step, stateHash: isState ? stateHash : []))
        case .probe(let worker, _): try handle(.sighted(worker))
        case .retainSnapshot(let step):
            try handle(.snapshotRetained(step: step, stateHash: stateHash))
        case .computeLanes(let step, let attempt, let lanes):
            for lane in lanes.prefix(8) {
                try handle(.laneFinished(step: step, attempt: attempt, lane: lane))
            }
        case .send(let message):
            try expect("a message reads back") {
                try WorkerMessage(decoding: message.encode()) == message
            }
        default: break
        }
    }
}
