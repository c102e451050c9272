// SPDX-License-Identifier: Apache-2.0
import Objectives
import Primitives

/// What a lane tells besides its gradient: losses, counts, and keys for the memory banks.
///
/// It travels to every worker and is applied in lane order.
struct LaneReport: Equatable, Sendable {
    /// What follows from the configuration.
    struct Shape: Equatable, Sendable {
        /// Directions of the alignment losses.
        let directionCount: Int
        let bankCount: Int
    }

    /// Of one direction of an alignment term.
    struct DirectionLoss: Equatable, Sendable {
        /// Over rows.
        var sum = 0.0
        var count = 0
    }

    struct MatchingLoss: Equatable, Sendable {
        /// Over pairs.
        var sum = 0.0
        var count = 0
        /// Pairs that were told right.
        var rightCount = 0
    }

    /// The clips of the rows that were read, in order, as indices into the collection.
    var clipIndices: [Int] = []
    /// Sum of the MLM cross-entropies and number of chosen tokens.
    var maskedLanguageLoss = 0.0
    var chosenTokenCount = 0
    /// In the order of the plan.
    var directions: [DirectionLoss]
    var matching = MatchingLoss()
    /// In the order of the banks.
    var keys: [[MemoryBank.Entry]]

    init(_ shape: Shape) {
        directions = [DirectionLoss](repeating: .init(), count: shape.directionCount)
        keys = [[MemoryBank.Entry]](repeating: [], count: shape.bankCount)
    }

    func encode() -> [UInt8] {
        var writer = ByteWriter()
        writer.write(each: clipIndices) { $0.write(UInt32($1)) }
        writer.write(maskedLanguageLoss)
        writer.write(UInt32(chosenTokenCount))
        for direction in directions {
            writer.write(direction.sum)
            writer.write(UInt32(direction.count))
        }
        writer.write(matching.sum)
        writer.write(UInt32(matching.count))
        writer.write(UInt32(matching.rightCount))
        for keys in keys {
            writer.write(each: keys) { writer, entry in
                writer.write(UInt32(entry.clipIndex))
                writer.write(each: entry.key) { $0.write($1) }
            }
        }
        return writer.bytes
    }

    /// What a report may hold at most: it comes from a peer.
    struct Limits: Sendable {
        let shape: Shape
        /// Every key has this length.
        let keyWidth: Int
        /// Rows of one lane, and keys of a bank.
        let rowCountMax: Int

        /// Pairs of matching: a row as it is, with another clip, with another text.
        var matchingCountMax: Int { 3 * rowCountMax }

        /// Counts and losses, then per row its clip and its keys.
        var bytesMax: Int {
            32 + 12 * shape.directionCount + 4 * shape.bankCount
                + rowCountMax * (4 + shape.bankCount * (8 + 4 * keyWidth))
        }
    }

    init(decoding bytes: [UInt8], _ limits: Limits) throws(MalformedBytes) {
        self.init(limits.shape)
        var reader = ByteReader(bytes)
        clipIndices = try reader.readEach("clip indices", elementBytesMin: 4) {
            reader throws(MalformedBytes) in Int(try reader.read(UInt32.self, "clip index"))
        }
        maskedLanguageLoss = try reader.readDouble("masked language loss")
        chosenTokenCount = Int(try reader.read(UInt32.self, "chosen tokens"))
        for direction in directions.indices {
            directions[direction].sum = try reader.readDouble("alignment loss")
            directions[direction].count = Int(try reader.read(UInt32.self, "aligned rows"))
        }
        matching.sum = try reader.readDouble("matching loss")
        matching.count = Int(try reader.read(UInt32.self, "matched pairs"))
        matching.rightCount = Int(try reader.read(UInt32.self, "pairs told right"))
        for bank in keys.indices { keys[bank] = try Self.readKeys(&reader, limits) }
        try reader.expectEnd("lane report")
        let counts = [clipIndices.count] + directions.map(\.count) + keys.map(\.count)
        guard counts.allSatisfy({ $0 <= limits.rowCountMax }),
            matching.count <= limits.matchingCountMax, matching.rightCount <= matching.count
        else {
            throw MalformedBytes(
                field: "lane report", offset: 0,
                rule: "\(counts) rows, pairs and keys, \(matching.rightCount) of "
                    + "\(matching.count) matched; a lane has \(limits.rowCountMax) rows")
        }
    }

    private static func readKeys(
        _ reader: inout ByteReader, _ limits: Limits
    ) throws(MalformedBytes) -> [MemoryBank.Entry] {
        try reader.readEach("keys", elementBytesMin: 8) {
            reader throws(MalformedBytes) in
            let clipIndex = try reader.read(Int32.self, "clip index")
            let key = try reader.readEach("key", elementBytesMin: 4) {
                reader throws(MalformedBytes) in try reader.readFloat("key element")
            }
            guard clipIndex >= 0, key.count == limits.keyWidth, key.allSatisfy(\.isFinite) else {
                throw MalformedBytes(
                    field: "key", offset: 0,
                    rule: "clip \(clipIndex) with \(key.count) elements is not a finite key of "
                        + "\(limits.keyWidth)")
            }
            return MemoryBank.Entry(clipIndex: Int(clipIndex), key: key)
        }
    }
}
