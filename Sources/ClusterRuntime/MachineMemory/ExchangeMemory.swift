// SPDX-License-Identifier: Apache-2.0
import Collectives
import Primitives
import SharedMemory

/// The segments of a machine as one exchange sees them.
///
/// Words that say how far a rank is hold the tag of the exchange, so that nothing has to be
/// cleared: no exchange has the tag of another.
/// Isolation: the data-plane thread.
final class ExchangeMemory: MachineMemory {
    private let tag: UInt64
    private let reportIndex: Int
    private let own: WorkerMemory
    /// By rank, without the own.
    private let neighbours: [Int: NeighbourMemory]
    private let rank: Int
    let gathered: UnsafeMutablePointer<Int32>
    let result: IntVector

    init(_ key: ExchangeKey, _ machine: MachineMap, _ own: WorkerMemory) {
        tag = key.tag
        reportIndex = own.layout.reportIndex(key.accumulation)
        self.own = own
        rank = machine.rank
        neighbours = machine.neighbours
        let index = own.layout.resultIndex(key.accumulation)
        gathered = own.result(index).pointer
        result = machine.results[index]
    }

    private func base(of rank: Int) -> UnsafeRawPointer {
        if rank == self.rank { return UnsafeRawPointer(own.mapping.base) }
        guard let neighbour = neighbours[rank] else {
            preconditionFailure("rank \(rank) is not on this machine")
        }
        return neighbour.base
    }

    func accumulator(of rank: Int) -> UnsafePointer<Int32> {
        (base(of: rank) + own.layout.accumulatorOffset).assumingMemoryBound(to: Int32.self)
    }

    private func word(_ progress: ChunkProgress, _ chunk: Int, of rank: Int) -> SharedWord {
        SharedWord(base(of: rank) + own.layout.marksOffset(progress) + 8 * chunk)
    }

    func mark(_ progress: ChunkProgress, chunk: Int) { word(progress, chunk, of: rank).store(tag) }

    func hasMarked(_ progress: ChunkProgress, chunk: Int, rank: Int) -> Bool {
        word(progress, chunk, of: rank).load() == tag
    }

    func publish(reports: [UInt8]) {
        precondition(
            reports.count <= own.layout.reportBytesMax,
            "reports of \(reports.count) bytes, at most \(own.layout.reportBytesMax)")
        let start = own.mapping.base + own.layout.reportOffset(reportIndex)
        // A neighbour that is late in an exchange which was given up may be reading.
        SharedWord(start).store(0)
        SharedWord.fence()
        UnsafeMutableRawBufferPointer(start: start + 16, count: reports.count)
            .copyBytes(from: reports)
        SharedWord(start + 8).store(UInt64(reports.count))
        SharedWord(start).store(tag)
    }

    func reports(of rank: Int) -> [UInt8]? {
        let start = base(of: rank) + own.layout.reportOffset(reportIndex)
        guard SharedWord(start).load() == tag else { return nil }
        // Another process wrote it: whatever it says, nothing else of its segment is read.
        let count = Int(min(SharedWord(start + 8).load(), UInt64(own.layout.reportBytesMax)))
        let reports = Array(UnsafeRawBufferPointer(start: start + 16, count: count))
        SharedWord.fence()
        return SharedWord(start).load() == tag ? reports : nil
    }
}

extension ExchangeKey {
    /// Never 0, and different for all exchanges of a run.
    var tag: UInt64 {
        let (generation, step) = (generation.number, accumulation.step.number)
        precondition(
            generation < 1 << 24 && step < 1 << 38, "generation \(generation), step \(step)")
        return generation << 40 | step << 2 | UInt64(accumulation.attempt)
    }
}
