// SPDX-License-Identifier: Apache-2.0
import Primitives

/// A worker that belongs to a generation. Its rank is its position in the list of members.
package struct Member: Hashable, Codable, Sendable {
    package let worker: WorkerID
    /// Where peers connect for the data plane, for example tcp://10.0.0.3:41234.
    package var dataEndpoint: String
    /// Members of the same machine share memory; nil = shares none.
    package var machine: String?
    /// What peers must find at the data endpoint, as text; nil in a cluster without keys.
    package let publicKey: String?
    /// Lanes that it computes at a time; the weight in the lane plan.
    package let threadCount: Int
    package let hostName: String
    package let processIdentifier: Int32

    package init(
        worker: WorkerID, dataEndpoint: String, machine: String? = nil,
        publicKey: String? = nil, threadCount: Int, hostName: String, processIdentifier: Int32
    ) {
        self.worker = worker
        self.dataEndpoint = dataEndpoint
        self.machine = machine
        self.publicKey = publicKey
        self.threadCount = threadCount
        self.hostName = hostName
        self.processIdentifier = processIdentifier
    }

    package func sharesMemory(with other: Member) -> Bool {
        machine != nil && machine == other.machine
    }

    func write(to writer: inout ByteWriter) {
        writer.write(worker.value)
        writer.write(dataEndpoint)
        writer.write(machine)
        writer.write(publicKey)
        writer.write(UInt32(threadCount))
        writer.write(hostName)
        writer.write(processIdentifier)
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        worker = WorkerID(try reader.read(UInt64.self, "worker"))
        dataEndpoint = try reader.readString("data endpoint")
        machine = try reader.readOptionalString("machine")
        publicKey = try reader.readOptionalString("public key")
        threadCount = Int(try reader.read(UInt32.self, "thread count"))
        hostName = try reader.readString("host name")
        processIdentifier = try reader.read(Int32.self, "process identifier")
        guard (1...4096).contains(threadCount) else {
            throw MalformedBytes(
                field: "thread count", offset: 0, rule: "\(threadCount) is outside 1...4096")
        }
    }
}

/// A clip that could not be read at a step. Every execution of its lane leaves it out.
package struct MaskedClip: Hashable, Comparable, Codable, Sendable {
    package let step: Step
    /// Position in the clip collection.
    package let clipIndex: Int

    package init(step: Step, clipIndex: Int) {
        self.step = step
        self.clipIndex = clipIndex
    }

    package static func < (left: MaskedClip, right: MaskedClip) -> Bool {
        (left.step, left.clipIndex) < (right.step, right.clipIndex)
    }

    func write(to writer: inout ByteWriter) {
        writer.write(step.number)
        writer.write(UInt64(clipIndex))
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        step = try reader.readStep("step")
        clipIndex = Int(truncatingIfNeeded: try reader.read(UInt64.self, "clip") & 0x7fff_ffff_ffff)
    }
}

/// How far a worker is, told when a generation is prepared.
package struct WorkerProgress: Equatable, Sendable {
    package var hasState: Bool
    package var applied: Step
    /// How many of the last reduced results it can serve, up to that of step applied.
    package var keptResultCount: Int
    /// Of step applied + 1: 1 or 2.
    package var attempt: Int
    /// The remembered exponents of a second attempt; empty in the first.
    package var attemptScales: [UInt8]
    /// Lanes of step applied + 1 that are in the accumulator or being computed.
    package var heldLanes: [Int]

    package init(
        hasState: Bool, applied: Step, keptResultCount: Int, attempt: Int,
        attemptScales: [UInt8], heldLanes: [Int]
    ) {
        self.hasState = hasState
        self.applied = applied
        self.keptResultCount = keptResultCount
        self.attempt = attempt
        self.attemptScales = attemptScales
        self.heldLanes = heldLanes
    }

    func write(to writer: inout ByteWriter) {
        writer.write(hasState)
        writer.write(applied.number)
        writer.write(UInt32(keptResultCount))
        writer.write(UInt8(attempt))
        writer.write(block: attemptScales)
        writer.write(each: heldLanes) { $0.write(UInt32($1)) }
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        hasState = try reader.readBool("has state")
        applied = try reader.readStep("applied step")
        keptResultCount = Int(try reader.read(UInt32.self, "kept results"))
        attempt = Int(try reader.read(UInt8.self, "attempt"))
        attemptScales = try reader.readBlock("attempt scales")
        heldLanes = try reader.readEach("held lanes", elementBytesMin: 4) {
            reader throws(MalformedBytes) in Int(try reader.read(UInt32.self, "lane"))
        }
        guard (1...2).contains(attempt) else {
            throw MalformedBytes(field: "attempt", offset: 0, rule: "\(attempt) is not 1 or 2")
        }
        guard attemptScales.isEmpty == (attempt == 1) else {
            throw MalformedBytes(
                field: "attempt scales", offset: 0,
                rule: "\(attemptScales.count) of attempt \(attempt)")
        }
    }
}

/// What a worker tells about a step that it applied; reports of a step commit it.
package struct StepReport: Hashable, Codable, Sendable {
    package let generation: Generation
    package let step: Step
    package let skipped: Bool
    package let attempts: Int
    /// SHA-256 of the trained state; empty at steps where it was not computed.
    package internal(set) var stateHash: [UInt8]
    /// The encoded summary of the step: losses, counts.
    package let payload: [UInt8]

    package init(
        generation: Generation, step: Step, skipped: Bool, attempts: Int, stateHash: [UInt8],
        payload: [UInt8]
    ) {
        self.generation = generation
        self.step = step
        self.skipped = skipped
        self.attempts = attempts
        self.stateHash = stateHash
        self.payload = payload
    }

    func write(to writer: inout ByteWriter) {
        writer.write(generation.number)
        writer.write(step.number)
        writer.write(skipped)
        writer.write(UInt8(attempts))
        writer.write(block: stateHash)
        writer.write(block: payload)
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        generation = try reader.readGeneration("generation")
        step = try reader.readStep("step")
        skipped = try reader.readBool("skipped")
        attempts = Int(try reader.read(UInt8.self, "attempts"))
        stateHash = try reader.readOptionalStateHash()
        payload = try reader.readBlock("payload")
    }
}
