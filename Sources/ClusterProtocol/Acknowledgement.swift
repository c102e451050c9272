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
    /// Keys of workers that are not members yet and may fetch it.
    package var guests: [String]

    package init(
        committed: Step, checkpoint: Step, offered: Step? = nil, guests: [String] = []
    ) {
        self.committed = committed
        self.checkpoint = checkpoint
        self.offered = offered
        self.guests = guests
    }

    func write(to writer: inout ByteWriter) {
        writer.write(committed.number)
        writer.write(checkpoint.number)
        writer.write(offered)
        writer.write(each: guests) { $0.write($1) }
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        committed = try reader.readStep("committed")
        checkpoint = try reader.readStep("checkpoint")
        offered = try reader.readOptionalStep("offered")
        guests = try reader.readEach("guests", elementBytesMin: 4) {
            reader throws(MalformedBytes) in try reader.readString("guest")
        }
    }
}

/// Where a worker that is no member yet gets the state of a step, and the results since.
package struct StateSource: Hashable, Sendable {
    package var step: Step
    /// Of the state after the step.
    package var stateHash: [UInt8]
    /// Members that offer it; the same bytes each.
    package var peers: [PeerAddress]

    package init(step: Step, stateHash: [UInt8], peers: [PeerAddress]) {
        self.step = step
        self.stateHash = stateHash
        self.peers = peers
    }

    func write(to writer: inout ByteWriter) {
        writer.write(step.number)
        writer.write(block: stateHash)
        writer.write(each: peers) { $1.write(to: &$0) }
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        step = try reader.readStep("step")
        stateHash = try reader.readStateHash()
        peers = try reader.readAddresses("peers")
    }
}
