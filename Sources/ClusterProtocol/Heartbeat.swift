// SPDX-License-Identifier: Apache-2.0
import Primitives

/// What a worker says at every tick: that it lives, and what it does.
package struct Heartbeat: Hashable, Sendable {
    package var generation: Generation
    /// Nil before it has the state of any step.
    package var applied: Step?
    /// Has brought its lanes and waits for the sums of the others.
    package var isExchanging: Bool
    /// What the sums have been waiting for, if they have taken long.
    package var lack: ExchangeLack?
    /// The sentence for `accord status`.
    package var activity: String
    package var exchangeTimes: ExchangeTimes
    /// What a lane takes on one of its threads, on average; 0 = none was computed yet.
    package var laneMicroseconds: UInt64

    package init(
        generation: Generation, applied: Step?, isExchanging: Bool, lack: ExchangeLack? = nil,
        activity: String, exchangeTimes: ExchangeTimes, laneMicroseconds: UInt64 = 0
    ) {
        self.generation = generation
        self.applied = applied
        self.isExchanging = isExchanging
        self.lack = lack
        self.activity = activity
        self.exchangeTimes = exchangeTimes
        self.laneMicroseconds = laneMicroseconds
    }

    func write(to writer: inout ByteWriter) {
        writer.write(generation.number)
        writer.write(applied)
        writer.write(isExchanging)
        writer.write(lack)
        writer.write(activity)
        exchangeTimes.write(to: &writer)
        writer.write(laneMicroseconds)
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        generation = try reader.readGeneration("generation")
        applied = try reader.readOptionalStep("applied step")
        isExchanging = try reader.readBool("is exchanging")
        lack = try reader.readLack("lack")
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

    /// The stage, 0 for none, then how many ranks there are, and the first of them.
    fileprivate mutating func write(_ lack: ExchangeLack?) {
        write(lack?.stage.rawValue ?? 0)
        guard let lack else { return }
        write(UInt32(lack.count))
        write(each: lack.ranks) { $0.write(UInt32($1)) }
    }
}

extension ByteReader {
    mutating func readOptionalStep(_ field: String) throws(MalformedBytes) -> Step? {
        try readBool(field) ? try readStep(field) : nil
    }

    fileprivate mutating func readLack(_ field: String) throws(MalformedBytes) -> ExchangeLack? {
        let rawStage = try read(UInt8.self, field)
        guard rawStage != 0 else { return nil }
        guard let stage = ExchangeLack.Stage(rawValue: rawStage) else {
            throw failure(field, "\(rawStage) is no stage")
        }
        let count = Int(try read(UInt32.self, field))
        let ranks = try readEach(field, elementBytesMin: 4) { reader throws(MalformedBytes) in
            Int(try reader.read(UInt32.self, field))
        }
        guard (1...ExchangeLack.ranksMax).contains(ranks.count), ranks.count <= count,
            Set(ranks).count == ranks.count
        else {
            throw failure(field, "\(ranks.count) ranks of \(count)")
        }
        return ExchangeLack(stage, first: ranks, of: count)
    }
}
