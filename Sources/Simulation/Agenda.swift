// SPDX-License-Identifier: Apache-2.0

/// What happens when; equal moments in the order of adding.
struct Agenda {
    private struct Entry {
        let time: Int
        /// Breaks ties.
        let number: Int
        let action: () -> Void

        func precedes(_ other: Entry) -> Bool { (time, number) < (other.time, other.number) }
    }

    /// A binary heap, the next entry first.
    private var heap: [Entry] = []
    private var addedCount = 0

    mutating func add(_ time: Int, _ action: @escaping () -> Void) {
        addedCount += 1
        heap.append(Entry(time: time, number: addedCount, action: action))
        var place = heap.count - 1
        while place > 0, heap[place].precedes(heap[(place - 1) / 2]) {
            heap.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    mutating func next() -> (Int, () -> Void)? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        if !heap.isEmpty {
            heap[0] = last
            sink()
        }
        return (first.time, first.action)
    }

    private mutating func sink() {
        var place = 0
        while true {
            let first = min(2 * place + 1, heap.count)
            let children = first..<min(first + 2, heap.count)
            guard !children.isEmpty,
                let least = children.min(by: { heap[$0].precedes(heap[$1]) }),
                heap[least].precedes(heap[place])
            else { return }
            heap.swapAt(place, least)
            place = least
        }
    }
}
