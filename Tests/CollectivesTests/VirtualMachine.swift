// SPDX-License-Identifier: Apache-2.0
import Collectives
import Primitives

/// What the ranks of one machine share, as values of one process.
final class VirtualMachine {
    fileprivate struct Mark: Hashable {
        let progress: ChunkProgress
        let chunk: Int
        let rank: Int
    }

    fileprivate var accumulators: [Int: IntVector] = [:]
    fileprivate var marks: Set<Mark> = []
    fileprivate var reports: [Int: [UInt8]] = [:]
    fileprivate let totals: IntVector

    init(elementCount: Int) {
        totals = IntVector(count: elementCount)
        // The result goes where something else has been.
        totals.pointer.update(repeating: -77, count: elementCount)
    }
}

/// A rank's view of its machine.
final class VirtualMemory: MachineMemory {
    private let machine: VirtualMachine
    private let rank: Int

    init(_ machine: VirtualMachine, rank: Int, accumulator: IntVector) {
        self.machine = machine
        self.rank = rank
        machine.accumulators[rank] = accumulator
    }

    func accumulator(of rank: Int) -> UnsafePointer<Int32> {
        UnsafePointer(machine.accumulators[rank]!.pointer)
    }

    var gathered: UnsafeMutablePointer<Int32> { machine.totals.pointer }
    var result: IntVector { machine.totals }

    func mark(_ progress: ChunkProgress, chunk: Int) {
        machine.marks.insert(.init(progress: progress, chunk: chunk, rank: rank))
    }

    func hasMarked(_ progress: ChunkProgress, chunk: Int, rank: Int) -> Bool {
        machine.marks.contains(.init(progress: progress, chunk: chunk, rank: rank))
    }

    func publish(reports: [UInt8]) { machine.reports[rank] = reports }
    func reports(of rank: Int) -> [UInt8]? { machine.reports[rank] }
}
