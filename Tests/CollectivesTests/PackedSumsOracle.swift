// SPDX-License-Identifier: Apache-2.0

/// The format of packed sums, bit by bit, written apart from the code.
enum PackedSumsOracle {
    /// Where bit `bit` of sum `index` of a block lies: byte behind the width, bit of that byte.
    private static func place(index: Int, bit: Int, width: Int) -> (byte: Int, bit: Int) {
        let (column, row) = (index % 8, index / 8)
        let (word, bitOfWord) = (row * width + bit).quotientAndRemainder(dividingBy: 32)
        return (32 * word + 4 * column + bitOfWord / 8, bitOfWord % 8)
    }

    static func width(of sums: some Sequence<Int32>) -> Int {
        let widths = 1...32 as ClosedRange
        return sums.allSatisfy { $0 == 0 }
            ? 0
            : widths.first { width in
                let half = Int64(1) << Int64(width - 1)
                return sums.allSatisfy { -half <= Int64($0) && Int64($0) < half }
            } ?? 33
    }

    static func pack(_ sums: [Int32]) -> [UInt8] {
        stride(from: 0, to: sums.count, by: 256).flatMap { start in
            let block = sums[start..<min(start + 256, sums.count)]
            let width = width(of: block)
            var bytes = [UInt8](repeating: 0, count: 32 * width)
            for (index, sum) in block.enumerated() {
                for bit in 0..<width where (sum >> Int32(bit)) & 1 == 1 {
                    let place = place(index: index, bit: bit, width: width)
                    bytes[place.byte] |= 1 << UInt8(place.bit)
                }
            }
            return [UInt8(width)] + bytes
        }
    }

    /// nil if the bytes are not exactly that many packed sums.
    static func unpack(_ packed: [UInt8], count: Int) -> [Int32]? {
        var sums: [Int32] = []
        var rest = packed[...]
        for start in stride(from: 0, to: count, by: 256) {
            guard let width = rest.popFirst().map(Int.init), width <= 32,
                rest.count >= 32 * width
            else { return nil }
            let bytes = Array(rest.prefix(32 * width))
            rest = rest.dropFirst(32 * width)
            for index in 0..<min(256, count - start) {
                var value: Int64 = 0
                for bit in 0..<width {
                    let place = place(index: index, bit: bit, width: width)
                    guard (bytes[place.byte] >> UInt8(place.bit)) & 1 == 1 else { continue }
                    // The uppermost bit of two's complement counts negatively.
                    value += (bit == width - 1 ? -1 : 1) << Int64(bit)
                }
                sums.append(Int32(value))
            }
        }
        return rest.isEmpty ? sums : nil
    }
}
