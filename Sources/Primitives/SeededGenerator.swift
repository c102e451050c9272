// SPDX-License-Identifier: Apache-2.0

/// A counter-based random generator: its n-th number is a pure function of its key and n.
///
/// One seed yields named streams, keyed by purpose, step and lane, so that a lane draws the same
/// numbers wherever and however often it runs. The standard library's sampling algorithms are not
/// used on top of it, because nobody promises that they stay the same.
///
/// - Source: Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators" (the mixer
///   of SplitMix64, here applied to key + n * golden ratio).
package struct SeededGenerator: Sendable {
    /// What a stream is for. The raw values are part of the run's identity: never renumber.
    package enum Purpose: UInt64, Sendable {
        case initialization = 1
        case sampleOrder = 2
        case tokenMasking = 3
        // 4 was the sampling of frames, and stays free.
        case modalityDropping = 5
        case synthesis = 6
        case testing = 7
        case queryDropping = 8
        case matching = 9
    }

    private let key: UInt64
    private var count: UInt64 = 0

    /// - Parameter coordinates: what distinguishes the streams of one purpose, for example
    ///   [step, lane]; order matters.
    package init(seed: UInt64, purpose: Purpose, _ coordinates: [UInt64] = []) {
        var key = Self.mix(seed &+ Self.goldenRatio)
        key = Self.mix(key ^ (purpose.rawValue &* Self.goldenRatio))
        for coordinate in coordinates {
            key = Self.mix(key &+ Self.goldenRatio &+ Self.mix(coordinate &+ Self.goldenRatio))
        }
        self.key = key
    }

    package mutating func next() -> UInt64 {
        count &+= 1
        return Self.mix(key &+ count &* Self.goldenRatio)
    }

    /// A whole number in 0..<bound.
    ///
    /// The bias of the multiply-high reduction is below bound / 2^64: not measurable here.
    /// - Precondition: bound > 0.
    package mutating func next(below bound: Int) -> Int {
        precondition(bound > 0, "no number lies in 0..<\(bound)")
        return Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// A number in [0, 1), a multiple of 2^-24.
    package mutating func nextUnit() -> Float {
        Float(next() >> 40) * 0x1p-24
    }

    /// True with the given probability.
    package mutating func nextBool(probability: Float) -> Bool { nextUnit() < probability }

    /// Fisher-Yates, with our own generator, so that the order never changes with a library.
    // Specialised: whoever calls it is in another module, and a million clips are shuffled.
    @_specialize(where Element == Int)
    package mutating func shuffle<Element>(_ elements: inout [Element]) {
        guard elements.count > 1 else { return }
        for last in stride(from: elements.count - 1, to: 0, by: -1) {
            elements.swapAt(last, next(below: last + 1))
        }
    }

    private static let goldenRatio: UInt64 = 0x9E37_79B9_7F4A_7C15

    private static func mix(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
