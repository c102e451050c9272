// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Everything that a worker must know of the run before it can be a member.
package struct Welcome: Hashable, Sendable {
    package let run: RunID
    /// The configuration as resolved, in YAML: nobody trains with a different one.
    package let configuration: String
    package let laneCount: Int
    package let stepCount: UInt64
    package let checkpointEverySteps: UInt64
    package let stateHashEverySteps: UInt64

    package init(
        run: RunID, configuration: String, laneCount: Int, stepCount: UInt64,
        checkpointEverySteps: UInt64, stateHashEverySteps: UInt64
    ) {
        self.run = run
        self.configuration = configuration
        self.laneCount = laneCount
        self.stepCount = stepCount
        self.checkpointEverySteps = checkpointEverySteps
        self.stateHashEverySteps = stateHashEverySteps
    }

    /// Whether the state after this step becomes a checkpoint.
    package func isSnapshotStep(_ step: Step) -> Bool {
        step.number == stepCount
            || (step.number > 0 && step.number.isMultiple(of: checkpointEverySteps))
    }

    /// Whether workers report the state hash of this step.
    package func isHashStep(_ step: Step) -> Bool {
        step.number.isMultiple(of: stateHashEverySteps) || isSnapshotStep(step)
    }
}

/// What the coordinator tells a worker.
package enum CoordinatorMessage: Equatable, Sendable {
    case welcome(Welcome)
    case rejected(reason: String)
    /// A new membership: stop exchanging, keep the accumulators, answer `ready`.
    case prepare(Generation)
    case begin(StepPlan)
    case clipMasked(MaskedClip)
    case acknowledge(Acknowledgement)
    /// To a worker that is no member yet: get the state, then the results of the steps since.
    case follow(StateSource, committed: Step)
    /// Ask that worker for a sign of life.
    case probe(WorkerID, PeerAddress)
    case evicted(reason: String)
    /// Evicted, too, but not for its silence: its bits are not those of the others.
    case stateIsWrong(reason: String)
    /// Answer to `retire`: nobody needs it any more.
    case released
    /// The run is over.
    case stop(reason: String)

    package func encode() -> [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .welcome(let welcome):
            writer.write(UInt8(1))
            writer.write(welcome.run.value)
            writer.write(welcome.configuration)
            writer.write(UInt32(welcome.laneCount))
            writer.write(welcome.stepCount)
            writer.write(welcome.checkpointEverySteps)
            writer.write(welcome.stateHashEverySteps)
        case .rejected(let reason):
            writer.write(UInt8(2))
            writer.write(reason)
        case .prepare(let generation):
            writer.write(UInt8(3))
            writer.write(generation.number)
        case .begin(let plan):
            writer.write(UInt8(4))
            plan.write(to: &writer)
        case .clipMasked(let clip):
            writer.write(UInt8(5))
            clip.write(to: &writer)
        case .acknowledge(let acknowledgement):
            writer.write(UInt8(6))
            acknowledgement.write(to: &writer)
        case .evicted(let reason):
            writer.write(UInt8(7))
            writer.write(reason)
        case .stop(let reason):
            writer.write(UInt8(8))
            writer.write(reason)
        case .follow(let source, let committed):
            writer.write(UInt8(9))
            source.write(to: &writer)
            writer.write(committed.number)
        case .probe(let worker, let address):
            writer.write(UInt8(10))
            writer.write(worker.value)
            address.write(to: &writer)
        case .released:
            writer.write(UInt8(11))
        case .stateIsWrong(let reason):
            writer.write(UInt8(12))
            writer.write(reason)
        }
        return writer.bytes
    }

    package init(decoding bytes: some Collection<UInt8>) throws(MalformedBytes) {
        var reader = ByteReader(bytes)
        switch try reader.read(UInt8.self, "message kind") {
        case 1: self = .welcome(try Welcome(from: &reader))
        case 2: self = .rejected(reason: try reader.readString("reason"))
        case 3: self = .prepare(try reader.readGeneration("generation"))
        case 4: self = .begin(try StepPlan(from: &reader))
        case 5: self = .clipMasked(try MaskedClip(from: &reader))
        case 6: self = .acknowledge(try Acknowledgement(from: &reader))
        case 7: self = .evicted(reason: try reader.readString("reason"))
        case 8: self = .stop(reason: try reader.readString("reason"))
        case 9:
            let source = try StateSource(from: &reader)
            let committed = try reader.readStep("committed")
            self = .follow(source, committed: committed)
        case 10:
            let worker = WorkerID(try reader.read(UInt64.self, "worker"))
            self = .probe(worker, try PeerAddress(from: &reader))
        case 11: self = .released
        case 12: self = .stateIsWrong(reason: try reader.readString("reason"))
        case let kind:
            throw MalformedBytes(field: "message kind", offset: 0, rule: "\(kind) is unknown")
        }
        try reader.expectEnd("message")
    }
}

extension Welcome {
    fileprivate init(from reader: inout ByteReader) throws(MalformedBytes) {
        run = RunID(try reader.read(UInt64.self, "run"))
        configuration = try reader.readString("configuration")
        laneCount = Int(try reader.read(UInt32.self, "lane count"))
        stepCount = try reader.read(UInt64.self, "step count")
        checkpointEverySteps = max(1, try reader.read(UInt64.self, "checkpoint interval"))
        stateHashEverySteps = max(1, try reader.read(UInt64.self, "hash interval"))
    }
}
