// SPDX-License-Identifier: Apache-2.0
import Primitives

/// What the coordinator repeats to every member; also its sign of life.
package struct Acknowledgement: Hashable, Sendable {
    /// All steps up to here are in the ledger.
    package var committed: Step
    /// The newest one that is safe.
    package var checkpoint: Step
    /// The member keeps its state after this step, or after the first later one if it is past it,
    /// and the results of all steps since; nil = nobody will ask for them.
    package var offered: Step?

    package init(committed: Step, checkpoint: Step, offered: Step? = nil) {
        self.committed = committed
        self.checkpoint = checkpoint
        self.offered = offered
    }

    func write(to writer: inout ByteWriter) {
        writer.write(committed.number)
        writer.write(checkpoint.number)
        writer.write(offered)
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        committed = Step(try reader.read(UInt64.self, "committed"))
        checkpoint = Step(try reader.read(UInt64.self, "checkpoint"))
        offered = try reader.readOptionalStep("offered")
    }
}

/// Where a worker that is no member yet gets the state of a step, and the results since.
package struct StateSource: Hashable, Sendable {
    package var step: Step
    /// Of the state after the step.
    package var stateHash: [UInt8]
    /// Of members that offer it; the same bytes each.
    package var endpoints: [String]

    package init(step: Step, stateHash: [UInt8], endpoints: [String]) {
        self.step = step
        self.stateHash = stateHash
        self.endpoints = endpoints
    }

    func write(to writer: inout ByteWriter) {
        writer.write(step.number)
        writer.write(block: stateHash)
        writer.write(each: endpoints) { $0.write($1) }
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        step = Step(try reader.read(UInt64.self, "step"))
        stateHash = try reader.readBlock("state hash")
        endpoints = try reader.readEach("endpoints", elementBytesMin: 4) {
            reader throws(MalformedBytes) in try reader.readString("endpoint")
        }
    }
}
