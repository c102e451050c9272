// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Who adds up which chunk, and along which way its sums travel.
///
/// Inside a machine each chunk has a *gatherer*: the rank that reads it out of the memory of all
/// ranks of the machine. Between machines the gatherers of a chunk form a tree: partial sums go up
/// to the root, the total comes down the same way. A star is the direct reduce-scatter with
/// all-gather, a path is the ring; roots take turns, so that all machines carry alike.
///
/// Cost: S bytes of sums among H machines put 2 (H - 1) / H x S on the wire per machine and
/// direction, in either shape; 2 hops in a star, 2 (H - 1) in a path.
package struct ExchangeSchedule: Equatable, Sendable {
    package enum Shape: Equatable, Sendable, CaseIterable {
        /// Every machine sends to the root.
        case direct
        /// Every machine talks to two others.
        case ring
    }

    package let shape: Shape
    package let chunkCount: Int
    /// The ranks of each machine, ascending; machines in the order of their lowest rank.
    package let machines: [[Int]]
    private let machineOfRank: [Int]

    /// - Parameter machineOfRank: by rank, any number that says where it runs.
    package init(shape: Shape, chunkCount: Int, machineOfRank: [Int]) {
        self.shape = shape
        self.chunkCount = chunkCount
        var numbers: [Int: Int] = [:]
        var machines: [[Int]] = []
        for (rank, name) in machineOfRank.enumerated() {
            if numbers[name] == nil {
                numbers[name] = machines.count
                machines.append([])
            }
            machines[numbers[name, default: 0]].append(rank)
        }
        self.machines = machines
        self.machineOfRank = machineOfRank.map { numbers[$0, default: 0] }
    }

    package var worldSize: Int { machineOfRank.count }

    package func machine(of rank: Int) -> Int { machineOfRank[rank] }

    /// The ranks that share memory with this one, itself among them, ascending.
    package func neighbours(of rank: Int) -> [Int] { machines[machineOfRank[rank]] }

    /// The rank that adds up a chunk on a machine.
    package func gatherer(of chunk: Int, on machine: Int) -> Int {
        let ranks = machines[machine]
        return ranks[chunk * ranks.count / chunkCount]
    }

    /// The chunks that a rank adds up: neighbouring ones, for they are mapped in one piece.
    package func chunks(gatheredBy rank: Int) -> Range<Int> {
        let ranks = neighbours(of: rank)
        let place = ranks.firstIndex(of: rank) ?? 0
        func start(_ place: Int) -> Int {
            (place * chunkCount + ranks.count - 1) / ranks.count
        }
        return start(place)..<start(place + 1)
    }

    /// The machine that partial sums of a machine go to; nil at the root.
    package func parent(of machine: Int, chunk: Int) -> Int? {
        let place = place(of: machine, chunk: chunk)
        guard place > 0 else { return nil }
        return self.machine(at: shape == .direct ? 0 : place - 1, chunk: chunk)
    }

    /// The machines whose partial sums come to a machine.
    package func children(of machine: Int, chunk: Int) -> [Int] {
        let place = place(of: machine, chunk: chunk)
        let places: Range<Int> =
            switch shape {
            case .direct: place == 0 ? 1..<machines.count : 0..<0
            case .ring: place + 1 < machines.count ? place + 1..<place + 2 : 0..<0
            }
        return places.map { self.machine(at: $0, chunk: chunk) }
    }

    /// Counted from the root on.
    private func place(of machine: Int, chunk: Int) -> Int {
        (machine + machines.count - chunk % machines.count) % machines.count
    }

    private func machine(at place: Int, chunk: Int) -> Int {
        (place + chunk) % machines.count
    }
}
