// SPDX-License-Identifier: Apache-2.0
import Objectives
import Primitives

/// What a lane tells besides its gradient: losses, counts, and keys for the memory bank.
///
/// It travels to every worker and is applied in lane order.
struct LaneReport: Equatable, Sendable {
    /// The clips of the rows that were read, in order, as indices into the collection.
    var clipIndices: [Int] = []
    /// Sum of the MLM cross-entropies and number of chosen tokens.
    var maskedLanguageLoss = 0.0
    var chosenTokenCount = 0
    /// Sums of the contrastive losses over rows with both modalities, and their number.
    var textToVideoLoss = 0.0
    var videoToTextLoss = 0.0
    var pairCount = 0
    var textKeys: [MemoryBank.Entry] = []
    var videoKeys: [MemoryBank.Entry] = []

    func encode() -> [UInt8] {
        var writer = ByteWriter()
        writer.write(each: clipIndices) { $0.write(UInt32($1)) }
        writer.write(maskedLanguageLoss)
        writer.write(UInt32(chosenTokenCount))
        writer.write(textToVideoLoss)
        writer.write(videoToTextLoss)
        writer.write(UInt32(pairCount))
        for keys in [textKeys, videoKeys] {
            writer.write(each: keys) { writer, entry in
                writer.write(UInt32(entry.clipIndex))
                writer.write(each: entry.key) { $0.write($1) }
            }
        }
        return writer.bytes
    }

    init() {}

    /// What a report may hold at most: it comes from a peer.
    struct Limits: Sendable {
        /// Every key has this length.
        let keyWidth: Int
        /// Rows and keys of one lane.
        let rowCountMax: Int

        /// Counts and losses, then per row its clip and two keys.
        var bytesMax: Int { 44 + rowCountMax * (4 + 2 * (8 + 4 * keyWidth)) }
    }

    init(decoding bytes: [UInt8], _ limits: Limits) throws(MalformedBytes) {
        var reader = ByteReader(bytes)
        clipIndices = try reader.readEach("clip indices", elementBytesMin: 4) {
            reader throws(MalformedBytes) in Int(try reader.read(UInt32.self, "clip index"))
        }
        maskedLanguageLoss = try reader.readDouble("masked language loss")
        chosenTokenCount = Int(try reader.read(UInt32.self, "chosen tokens"))
        textToVideoLoss = try reader.readDouble("text to video loss")
        videoToTextLoss = try reader.readDouble("video to text loss")
        pairCount = Int(try reader.read(UInt32.self, "pair count"))
        textKeys = try Self.readKeys(&reader, limits)
        videoKeys = try Self.readKeys(&reader, limits)
        try reader.expectEnd("lane report")
        let counts = [clipIndices.count, pairCount, textKeys.count, videoKeys.count]
        guard counts.allSatisfy({ $0 <= limits.rowCountMax }) else {
            throw MalformedBytes(
                field: "lane report", offset: 0,
                rule: "\(counts) rows, pairs and keys, a lane has \(limits.rowCountMax)")
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
