// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Where the sequences of a microbatch lie in a matrix of packed rows: no padding anywhere.
package struct SequenceLayout: Equatable, Sendable {
    /// Start of each sequence, then the total: count + 1 numbers.
    package let offsets: [Int]

    package init(lengths: [Int]) {
        var offsets = [0]
        for length in lengths {
            precondition(length >= 0, "a sequence of \(length) rows")
            offsets.append(offsets[offsets.count - 1] + length)
        }
        self.offsets = offsets
    }

    package var count: Int { offsets.count - 1 }
    package var rowCount: Int { offsets[offsets.count - 1] }

    package func rows(of sequence: Int) -> Range<Int> { offsets[sequence]..<offsets[sequence + 1] }
}
