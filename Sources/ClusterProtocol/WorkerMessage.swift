// SPDX-License-Identifier: Apache-2.0
import Primitives

/// What a worker tells the coordinator. Tiny frames on the control plane.
package enum WorkerMessage: Equatable, Sendable {
    /// First contact; repeated with back-off until it is answered.
    case join(protocolVersion: UInt16, Member, numericClass: String)
    /// The data set and the model are ready: may become a member.
    case enter(dataFingerprint: [UInt8], dataEndpoint: String, machine: String?)
    case heartbeat(Heartbeat)
    /// Answer to `prepare`: has stopped exchanging.
    case ready(Generation, WorkerProgress)
    case stepApplied(StepReport)
    case clipUnreadable(MaskedClip, reason: String)
    /// Keeps an encoded snapshot of this step for the coordinator to fetch.
    case snapshotReady(step: Step, stateHash: [UInt8])
    /// Wants to go, and works on until it is released.
    case retire(reason: String)
    case leave(reason: String)
    /// Answer to `probe`: that worker lives.
    case sighted(WorkerID)

    /// Raised with every change of the coding; another version is refused at join.
    package static let protocolVersion: UInt16 = 12

    package func encode() -> [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .join(let version, let member, let numericClass):
            writer.write(UInt8(1))
            writer.write(version)
            member.write(to: &writer)
            writer.write(numericClass)
        case .enter(let fingerprint, let endpoint, let machine):
            writer.write(UInt8(2))
            writer.write(block: fingerprint)
            writer.write(endpoint)
            writer.write(machine)
        case .heartbeat(let heartbeat):
            writer.write(UInt8(3))
            heartbeat.write(to: &writer)
        case .ready(let generation, let progress):
            writer.write(UInt8(4))
            writer.write(generation.number)
            progress.write(to: &writer)
        case .stepApplied(let report):
            writer.write(UInt8(5))
            report.write(to: &writer)
        case .clipUnreadable(let clip, let reason):
            writer.write(UInt8(6))
            clip.write(to: &writer)
            writer.write(reason)
        case .snapshotReady(let step, let hash):
            writer.write(UInt8(7))
            writer.write(step.number)
            writer.write(block: hash)
        case .leave(let reason):
            writer.write(UInt8(8))
            writer.write(reason)
        case .retire(let reason):
            writer.write(UInt8(9))
            writer.write(reason)
        case .sighted(let worker):
            writer.write(UInt8(10))
            writer.write(worker.value)
        }
        return writer.bytes
    }

    package init(decoding bytes: some Collection<UInt8>) throws(MalformedBytes) {
        var reader = ByteReader(bytes)
        switch try reader.read(UInt8.self, "message kind") {
        case 1:
            let version = try reader.read(UInt16.self, "protocol version")
            let member = try Member(from: &reader)
            self = .join(
                protocolVersion: version, member,
                numericClass: try reader.readString("numeric class"))
        case 2:
            self = .enter(
                dataFingerprint: try reader.readBlock("data fingerprint"),
                dataEndpoint: try reader.readString("data endpoint"),
                machine: try reader.readOptionalString("machine"))
        case 3:
            self = .heartbeat(try Heartbeat(from: &reader))
        case 4:
            let generation = try reader.readGeneration("generation")
            self = .ready(generation, try WorkerProgress(from: &reader))
        case 5:
            self = .stepApplied(try StepReport(from: &reader))
        case 6:
            let clip = try MaskedClip(from: &reader)
            self = .clipUnreadable(clip, reason: try reader.readString("reason"))
        case 7:
            let step = try reader.readStep("step")
            self = .snapshotReady(step: step, stateHash: try reader.readStateHash())
        case 8:
            self = .leave(reason: try reader.readString("reason"))
        case 9:
            self = .retire(reason: try reader.readString("reason"))
        case 10:
            self = .sighted(WorkerID(try reader.read(UInt64.self, "worker")))
        case let kind:
            throw MalformedBytes(field: "message kind", offset: 0, rule: "\(kind) is unknown")
        }
        try reader.expectEnd("message")
    }
}
