// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Primitives

/// The lanes that a worker has to compute: as many at a time as it has threads.
struct LaneQueue {
    struct Lane: Equatable {
        let key: AccumulationKey
        let lane: Int
    }

    let threadCount: Int
    private var waiting: [Lane] = []
    /// Lanes with a clip that cannot be read, until the coordinator has logged it.
    private var parked: [Lane] = []
    private var computingCount = 0
    private var masked: [Step: Set<Int>] = [:]

    init(threadCount: Int) { self.threadCount = threadCount }

    func masked(_ step: Step) -> Set<Int> { masked[step] ?? [] }

    mutating func add(_ lanes: [Int], _ key: AccumulationKey) {
        waiting += lanes.map { Lane(key: key, lane: $0) }
    }

    /// The next lane for a thread that has nothing to do.
    mutating func next() -> Lane? {
        guard computingCount < threadCount, !waiting.isEmpty else { return nil }
        computingCount += 1
        return waiting.removeFirst()
    }

    /// A thread is free again.
    mutating func finish() { computingCount -= 1 }

    mutating func park(_ lane: Lane) { parked.append(lane) }

    mutating func mask(_ clip: MaskedClip) {
        masked[clip.step, default: []].insert(clip.clipIndex)
        waiting += parked.filter { $0.key.step == clip.step }
        parked.removeAll { $0.key.step == clip.step }
    }

    /// Forgets lanes that were not begun; what is computed now finds a moved accumulator.
    mutating func forgetWaiting() {
        waiting = []
        parked = []
    }
}
