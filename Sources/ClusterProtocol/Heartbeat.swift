// SPDX-License-Identifier: Apache-2.0
import Primitives

/// What a worker says at every tick: that it lives, and what it does.
package struct Heartbeat: Hashable, Sendable {
    package var generation: Generation
    /// Nil before it has the state of any step.
    package var applied: Step?
    /// Has brought its lanes and waits for the sums of the others.
    package var isExchanging: Bool
    /// The sentence for `accord status`.
    package var activity: String
    package var exchangeTimes: ExchangeTimes
    /// What a lane takes on one of its threads, on average; 0 = none was computed yet.
    package var laneMicroseconds: UInt64

    package init(
        generation: Generation, applied: Step?, isExchanging: Bool, activity: String,
        exchangeTimes: ExchangeTimes, laneMicroseconds: UInt64 = 0
    ) {
        self.generation = generation
        self.applied = applied
        self.isExchanging = isExchanging
        self.activity = activity
        self.exchangeTimes = exchangeTimes
        self.laneMicroseconds = laneMicroseconds
    }

    func write(to writer: inout ByteWriter) {
        writer.write(generation.number)
        writer.write(applied)
        writer.write(isExchanging)
        writer.write(activity)
        exchangeTimes.write(to: &writer)
        writer.write(laneMicroseconds)
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        generation = Generation(try reader.read(UInt64.self, "generation"))
        applied = try reader.readOptionalStep("applied step")
        isExchanging = try reader.readBool("is exchanging")
        activity = try reader.readString("activity")
        exchangeTimes = try ExchangeTimes(from: &reader)
        laneMicroseconds = try reader.read(UInt64.self, "lane time")
    }
}

// MARK: -

extension ByteWriter {
    /// Whether there is one (Bool), then its number.
    mutating func write(_ step: Step?) {
        write(step != nil)
        if let step { write(step.number) }
    }
}

extension ByteReader {
    mutating func readOptionalStep(_ field: String) throws(MalformedBytes) -> Step? {
        try readBool(field) ? Step(try read(UInt64.self, field)) : nil
    }
}
