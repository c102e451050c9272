// SPDX-License-Identifier: Apache-2.0
import Primitives

/// What exchanges have cost a worker, for `accord status`; nothing is decided by it.
package struct ExchangeTimes: Hashable, Codable, Sendable {
    /// Of one exchange, or the mean of several.
    package struct Cost: Hashable, Codable, Sendable {
        /// From the own last lane to the last lane of all: others compute still.
        package var waitedMicroseconds: UInt64 = 0
        /// From there to the complete sums: communication that no computation hides.
        package var exposedMicroseconds: UInt64 = 0
        /// From the end of the exchange before to the end of this one: a step, or an attempt.
        package var stepMicroseconds: UInt64 = 0

        package init() {}

        package init(
            waitedMicroseconds: UInt64, exposedMicroseconds: UInt64, stepMicroseconds: UInt64
        ) {
            self.waitedMicroseconds = waitedMicroseconds
            self.exposedMicroseconds = exposedMicroseconds
            self.stepMicroseconds = stepMicroseconds
        }
    }

    /// Frames that did not reach a sum, by reason.
    package struct Drops: Hashable, Codable, Sendable {
        package var stale: UInt64 = 0
        package var duplicate: UInt64 = 0
        package var malformed: UInt64 = 0

        package init() {}

        package init(stale: UInt64, duplicate: UInt64, malformed: UInt64) {
            self.stale = stale
            self.duplicate = duplicate
            self.malformed = malformed
        }
    }

    /// Exchanges that this process has completed.
    package var count: UInt64 = 0
    package var last = Cost()
    /// Of the last hundred exchanges, or of as many as there were.
    package var mean = Cost()
    package var drops = Drops()
    /// Connections to the data plane of this process that came to nothing: no peer, or a wrong key.
    package var refusedHandshakeCount: UInt64 = 0

    package init() {}

    func write(to writer: inout ByteWriter) {
        writer.write(count)
        last.write(to: &writer)
        mean.write(to: &writer)
        writer.write(drops.stale)
        writer.write(drops.duplicate)
        writer.write(drops.malformed)
        writer.write(refusedHandshakeCount)
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        count = try reader.read(UInt64.self, "exchange count")
        last = try Cost(from: &reader)
        mean = try Cost(from: &reader)
        drops = Drops(
            stale: try reader.read(UInt64.self, "stale frames"),
            duplicate: try reader.read(UInt64.self, "double frames"),
            malformed: try reader.read(UInt64.self, "damaged frames"))
        refusedHandshakeCount = try reader.read(UInt64.self, "refused handshakes")
    }
}

extension ExchangeTimes.Cost {
    fileprivate func write(to writer: inout ByteWriter) {
        writer.write(waitedMicroseconds)
        writer.write(exposedMicroseconds)
        writer.write(stepMicroseconds)
    }

    fileprivate init(from reader: inout ByteReader) throws(MalformedBytes) {
        waitedMicroseconds = try reader.read(UInt64.self, "time waited")
        exposedMicroseconds = try reader.read(UInt64.self, "time exposed")
        stepMicroseconds = try reader.read(UInt64.self, "time of a step")
    }
}
