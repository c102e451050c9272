// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Damages valid bytes a little, the same way for the same seed.
struct Mutator {
    private static let telling: [UInt8] = [0, 1, 2, 4, 0x7f, 0x80, 0xfe, 0xff]

    private var generator: SeededGenerator
    private let corpus: [[UInt8]]

    init(seed: UInt64, corpus: [[UInt8]]) {
        generator = SeededGenerator(seed: seed, purpose: .testing)
        self.corpus = corpus
    }

    mutating func next() -> [UInt8] {
        var bytes = corpus[generator.next(below: corpus.count)]
        for _ in 0..<1 + generator.next(below: 4) { mutate(&bytes) }
        return bytes
    }

    private mutating func mutate(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty else { return bytes.append(Self.telling[generator.next(below: 8)]) }
        let place = generator.next(below: bytes.count)
        switch generator.next(below: 8) {
        case 0: bytes[place] ^= 1 << UInt8(generator.next(below: 8))
        case 1: bytes[place] = Self.telling[generator.next(below: 8)]
        case 2: bytes[place] = UInt8(generator.next(below: 256))
        case 3:
            // A number of several bytes becomes the largest.
            for index in place..<min(bytes.count, place + 8) { bytes[index] = 0xff }
        case 4: bytes.removeSubrange(place..<min(bytes.count, place + 1 + generator.next(below: 8)))
        case 5: bytes.insert(UInt8(generator.next(below: 256)), at: place)
        case 6:
            let piece = bytes[place..<min(bytes.count, place + 1 + generator.next(below: 40))]
            bytes.insert(contentsOf: piece, at: generator.next(below: bytes.count))
        default:
            let other = corpus[generator.next(below: corpus.count)]
            guard !other.isEmpty else { return }
            bytes = Array(bytes.prefix(place)) + other.dropFirst(generator.next(below: other.count))
        }
    }
}
