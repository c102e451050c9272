// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives
import Testing

@Suite struct MessageCodingTests {
    private static let member = Member(
        worker: WorkerID(12), dataEndpoint: "tcp://10.0.0.1:5", machine: "boot 7",
        publicKey: String(repeating: "k", count: 40), threadCount: 3, hostName: "节点-1",
        processIdentifier: 77)
    private static let clip = MaskedClip(step: Step(9), clipIndex: 123_456)
    private static let hash = [UInt8](1...32)

    private static let times: ExchangeTimes = {
        var times = ExchangeTimes()
        times.count = 300
        times.last = .init(
            waitedMicroseconds: 1, exposedMicroseconds: 2, stepMicroseconds: .max)
        times.mean = .init(waitedMicroseconds: 4, exposedMicroseconds: 5, stepMicroseconds: 6)
        times.drops = .init(stale: 7, duplicate: 8, malformed: 9)
        times.refusedHandshakeCount = 10
        return times
    }()

    private static let fromWorkers: [WorkerMessage] = [
        .join(protocolVersion: 1, member, numericClass: "x86-64 AVX2"),
        .enter(dataFingerprint: [1, 2, 3], dataEndpoint: "tcp://10.0.0.1:6", machine: "boot 7"),
        .enter(dataFingerprint: [], dataEndpoint: "", machine: nil),
        .heartbeat(
            Heartbeat(
                generation: Generation(4), applied: Step(8), isExchanging: true,
                lack: ExchangeLack(.totals, first: [0, 3, 4095], of: 900), activity: "waits",
                exchangeTimes: times)),
        .ready(
            Generation(5),
            WorkerProgress(
                hasState: true, applied: Step(8), keptResultCount: 3, attempt: 2,
                attemptScales: [127, 0, 255], heldLanes: [0, 5, 7])),
        .stepApplied(
            StepReport(
                generation: Generation(5), step: Step(9), skipped: true, attempts: 2,
                stateHash: [UInt8](repeating: 7, count: 32), payload: Array("{}".utf8))),
        .clipUnreadable(clip, reason: "cannot decode a.mp4: truncated"),
        .heartbeat(
            Heartbeat(
                generation: .none, applied: nil, isExchanging: false, activity: "",
                exchangeTimes: .init(), laneMicroseconds: .max)),
        .snapshotReady(step: Step(10), stateHash: hash), .leave(reason: ""),
        .retire(reason: "asked to end"), .sighted(WorkerID(.max)),
    ]

    private static let fromCoordinator: [CoordinatorMessage] = [
        .welcome(
            Welcome(
                run: RunID(.max), configuration: "seed: 1\n", laneCount: 8, stepCount: 100,
                checkpointEverySteps: 10, stateHashEverySteps: 2)),
        .rejected(reason: "full"), .prepare(Generation(3)), .clipMasked(clip),
        .acknowledge(Acknowledgement(committed: Step(4), checkpoint: Step(3))),
        .acknowledge(
            Acknowledgement(
                committed: Step(4), checkpoint: Step(3), offered: Step(5), guests: ["a", "b"])),
        .follow(
            StateSource(
                step: Step(5), stateHash: hash,
                peers: [PeerAddress("tcp://h:1"), PeerAddress("tcp://k:2", publicKey: "k")]),
            committed: Step(6)),
        .probe(WorkerID(3), PeerAddress("tcp://h:3", publicKey: "key")), .released,
        .evicted(reason: "silent"), .stateIsWrong(reason: "memory"),
        .stop(reason: "done"),
    ]

    @Test(arguments: fromWorkers)
    func aWorkersMessageReadsBack(_ message: WorkerMessage) throws {
        #expect(try WorkerMessage(decoding: message.encode()) == message)
        expectPrefixesRefused(message.encode()) { try WorkerMessage(decoding: $0) }
    }

    @Test(arguments: fromCoordinator)
    func aCoordinatorsMessageReadsBack(_ message: CoordinatorMessage) throws {
        #expect(try CoordinatorMessage(decoding: message.encode()) == message)
        expectPrefixesRefused(message.encode()) { try CoordinatorMessage(decoding: $0) }
    }

    /// Truncated or longer messages are refused, not half understood.
    private func expectPrefixesRefused(_ bytes: [UInt8], _ decode: ([UInt8]) throws -> Any) {
        for count in bytes.indices {
            #expect(throws: MalformedBytes.self) { try decode(Array(bytes.prefix(count))) }
        }
        #expect(throws: MalformedBytes.self) { try decode(bytes + [0]) }
    }

    @Test func damagedMessagesNeverTrap() {
        var generator = SeededGenerator(seed: 3, purpose: .testing)
        let originals =
            Self.fromWorkers.map { $0.encode() } + Self.fromCoordinator.map { $0.encode() }
        var refusedCount = 0
        for _ in 0..<20_000 {
            var bytes = originals[generator.next(below: originals.count)]
            for _ in 0..<1 + generator.next(below: 3) {
                bytes[generator.next(below: bytes.count)] = UInt8(generator.next(below: 256))
            }
            if (try? WorkerMessage(decoding: bytes)) == nil { refusedCount += 1 }
            if (try? CoordinatorMessage(decoding: bytes)) == nil { refusedCount += 1 }
        }
        #expect(refusedCount > 10_000)
    }

    /// The hash of a state becomes part of files that hold 32 bytes.
    @Test(arguments: [0, 1, 31, 33])
    func aStateHashOfAnotherLengthIsRefused(_ count: Int) {
        let hash = [UInt8](repeating: 7, count: count)
        func expectRefused(_ bytes: [UInt8], _ decode: ([UInt8]) throws -> Any) {
            let failure = #expect(throws: MalformedBytes.self) { _ = try decode(bytes) }
            #expect(failure?.field == "state hash")
        }
        expectRefused(WorkerMessage.snapshotReady(step: Step(1), stateHash: hash).encode()) {
            try WorkerMessage(decoding: $0)
        }
        let source = StateSource(step: Step(1), stateHash: hash, peers: [])
        expectRefused(CoordinatorMessage.follow(source, committed: Step(1)).encode()) {
            try CoordinatorMessage(decoding: $0)
        }
        let report = WorkerMessage.stepApplied(
            StepReport(
                generation: Generation(1), step: Step(1), skipped: false, attempts: 1,
                stateHash: hash, payload: []))
        // Of a step whose state is not hashed.
        guard count > 0 else {
            #expect(throws: Never.self) { try WorkerMessage(decoding: report.encode()) }
            return
        }
        expectRefused(report.encode()) { try WorkerMessage(decoding: $0) }
    }

    @Test(arguments: [(1, [7]), (2, [])] as [(Int, [UInt8])])
    func onlyASecondAttemptHasScales(_ attempt: Int, _ scales: [UInt8]) {
        let ready = WorkerMessage.ready(
            Generation(1),
            WorkerProgress(
                hasState: true, applied: Step(1), keptResultCount: 0, attempt: attempt,
                attemptScales: scales, heldLanes: []))
        let plan = StepPlan(
            generation: Generation(1), members: [], base: Step(1), attempt: attempt,
            attemptScales: scales, catchUp: [], inFlightLanes: [], steadyLanes: [], masked: [])

        #expect(throws: MalformedBytes.self) { try WorkerMessage(decoding: ready.encode()) }
        #expect(throws: MalformedBytes.self) {
            try CoordinatorMessage(decoding: CoordinatorMessage.begin(plan).encode())
        }
    }

    /// It stands behind kind, generation, step applied with its mark, and whether it exchanges.
    @Test(
        arguments: [
            ("no such stage", [5, 1, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0]),
            ("no ranks", [2, 1, 0, 0, 0, 0, 0, 0, 0]),
            ("a rank twice", [2, 2, 0, 0, 0, 2, 0, 0, 0, 7, 0, 0, 0, 7, 0, 0, 0]),
            ("more ranks than there are", [2, 0, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0]),
            (
                "more ranks than may be told",
                [2, 9, 0, 0, 0, 9, 0, 0, 0] + [UInt8](repeating: 0, count: 36)
            ),
        ] as [(String, [UInt8])])
    func aLackThatIsNoneIsRefused(_ what: String, _ lack: [UInt8]) throws {
        let sound = Heartbeat(
            generation: Generation(4), applied: Step(8), isExchanging: true,
            lack: ExchangeLack(.reports, first: [7], of: 1), activity: "", exchangeTimes: .init())
        var bytes = WorkerMessage.heartbeat(sound).encode()
        let place = 1 + 8 + 1 + 8 + 1
        #expect(Array(bytes[place..<place + 13]) == [2, 1, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0])
        bytes.replaceSubrange(place..<place + 13, with: lack)

        let failure = #expect(throws: MalformedBytes.self) {
            _ = try WorkerMessage(decoding: bytes)
        }
        #expect(failure?.field == "lack", "\(what)")
    }
}
