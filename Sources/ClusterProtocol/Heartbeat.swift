// SPDX-License-Identifier: Apache-2.0
import Primitives

/// What a worker says at every tick: that it lives, and what it does.
package struct Heartbeat: Hashable, Sendable {
    package var generation: Generation
    package var applied: Step
    /// Has brought its lanes and waits for the sums of the others.
    package var isExchanging: Bool
    /// The sentence for `accord status`.
    package var activity: String
    package var exchangeTimes: ExchangeTimes

    package init(
        generation: Generation, applied: Step, isExchanging: Bool, activity: String,
        exchangeTimes: ExchangeTimes
    ) {
        self.generation = generation
        self.applied = applied
        self.isExchanging = isExchanging
        self.activity = activity
        self.exchangeTimes = exchangeTimes
    }

    func write(to writer: inout ByteWriter) {
        writer.write(generation.number)
        writer.write(applied.number)
        writer.write(isExchanging)
        writer.write(activity)
        exchangeTimes.write(to: &writer)
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        generation = try reader.readGeneration("generation")
        applied = try reader.readStep("applied step")
        isExchanging = try reader.readBool("is exchanging")
        activity = try reader.readString("activity")
        exchangeTimes = try ExchangeTimes(from: &reader)
    }
}
