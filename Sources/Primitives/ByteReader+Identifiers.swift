// SPDX-License-Identifier: Apache-2.0

/// Numbers that somebody counts on from, so that none may be the last of its type.
extension ByteReader {
    /// Beyond any run; signed files hold it, too.
    private static let countMax: UInt64 = 1 << 62

    package mutating func readStep(_ field: String) throws(MalformedBytes) -> Step {
        Step(try readCount(field))
    }

    package mutating func readGeneration(_ field: String) throws(MalformedBytes) -> Generation {
        Generation(try readCount(field))
    }

    private mutating func readCount(_ field: String) throws(MalformedBytes) -> UInt64 {
        let place = offset
        let count = try read(UInt64.self, field)
        guard count <= Self.countMax else {
            throw MalformedBytes(
                field: field, offset: place, rule: "\(count) is beyond any run")
        }
        return count
    }
}
