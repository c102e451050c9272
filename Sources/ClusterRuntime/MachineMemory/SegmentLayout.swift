// SPDX-License-Identifier: Apache-2.0
import Collectives
import Primitives
import SharedMemory

/// What lies where in the segment of a worker. All workers of a run have the same.
///
/// Everything starts at a page. Pages that are never touched take no memory: a worker fills only
/// those chunks of a result that it gathers.
struct SegmentLayout: Equatable, Sendable {
    /// How many results there are in turn: two are kept, see `WorkerShared`, while the third comes
    /// in. A rank that brings sums of step n + 3 has applied step n + 2 and keeps no more than that
    /// and n + 1, so that whoever gathers step n + 3 may overwrite step n.
    static let resultCount = 3
    /// Two attempts of two steps. A rank that publishes for an exchange has completed the one
    /// before, for which all others had to complete the second last: nobody reads that any more.
    static let reportCount = 4

    let elementCount: Int
    let reportBytesMax: Int

    /// A chunk has a page at least.
    private var chunkCountMax: Int {
        (elementCount + ChunkPlan.alignmentElements - 1) / ChunkPlan.alignmentElements
    }

    private static func pages(_ bytes: Int) -> Int {
        (bytes + Mapping.pageBytes - 1) / Mapping.pageBytes * Mapping.pageBytes
    }

    private var markBytes: Int { Self.pages(chunkCountMax * 8) }
    /// The tag and the count before the bytes.
    private var reportBytes: Int { Self.pages(16 + reportBytesMax) }
    private var vectorBytes: Int { Self.pages(elementCount * 4) }

    /// One word: whether the owner waits for its doorbell.
    var waitingOffset: Int { 0 }

    func marksOffset(_ progress: ChunkProgress) -> Int {
        Mapping.pageBytes + progress.rawValue * markBytes
    }

    func reportOffset(_ index: Int) -> Int {
        Mapping.pageBytes + ChunkProgress.allCases.count * markBytes + index * reportBytes
    }

    func reportIndex(_ key: AccumulationKey) -> Int {
        Int((key.step.number * 2 + UInt64(key.attempt)) % UInt64(Self.reportCount))
    }

    func resultIndex(_ key: AccumulationKey) -> Int {
        Int(key.step.number % UInt64(Self.resultCount))
    }

    var accumulatorOffset: Int { reportOffset(Self.reportCount) }

    func resultOffset(_ index: Int) -> Int { accumulatorOffset + (1 + index) * vectorBytes }

    var byteCount: Int { resultOffset(Self.resultCount) }
}
