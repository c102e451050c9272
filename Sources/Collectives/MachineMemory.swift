// SPDX-License-Identifier: Apache-2.0

/// How far a rank is with a chunk of an all-reduce, as its neighbours see it.
package enum ChunkProgress: Int, Sendable, CaseIterable {
    /// Its accumulator holds all its lanes there, and stays so until the all-reduce is over.
    case contributed
    /// It has gathered the chunk, and the total is in its part of the result.
    case reduced
}

/// What the ranks of one machine share during one all-reduce. Each writes to its own memory only.
///
/// Isolation: the thread that runs the exchange.
package protocol MachineMemory: AnyObject {
    /// The accumulator of a rank of this machine, itself or another.
    func accumulator(of rank: Int) -> UnsafePointer<Int32>

    /// Where this rank writes what it gathers; of all elements, used are those of its chunks. May
    /// be its accumulator, if it is alone in the world.
    var gathered: UnsafeMutablePointer<Int32> { get }

    /// The totals of all chunks, wherever on this machine they were gathered.
    var result: IntVector { get }

    func mark(_ progress: ChunkProgress, chunk: Int)

    /// Whether another rank of this machine has marked the chunk, in this all-reduce.
    func hasMarked(_ progress: ChunkProgress, chunk: Int, rank: Int) -> Bool

    /// Shows the own maxima and reports to the neighbours.
    func publish(reports: [UInt8])

    /// Those of a neighbour, once it has published them.
    func reports(of rank: Int) -> [UInt8]?
}
