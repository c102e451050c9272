// SPDX-License-Identifier: Apache-2.0
import Primitives

/// An entry of a `WorkerTable`.
protocol WorkerEntry {
    var worker: WorkerID { get }
}

/// Entries in the order of their arrival, found by worker without a search: four thousand workers
/// that join at once would otherwise cost the square of their number.
struct WorkerTable<Entry: WorkerEntry & Sendable>: Sendable {
    private var entries: [Entry]
    private var positions: [WorkerID: Int] = [:]

    init(_ entries: [Entry] = []) {
        self.entries = entries
        index(from: 0)
    }

    private mutating func index(from start: Int) {
        for position in start..<entries.count { positions[entries[position].worker] = position }
    }

    func position(of worker: WorkerID) -> Int? { positions[worker] }

    mutating func append(_ entry: Entry) {
        positions[entry.worker] = entries.count
        entries.append(entry)
    }

    mutating func append(contentsOf others: [Entry]) {
        let start = entries.count
        entries += others
        index(from: start)
    }

    mutating func remove(at position: Int) -> Entry {
        let entry = entries.remove(at: position)
        positions[entry.worker] = nil
        index(from: position)
        return entry
    }

    /// - Returns: what was removed.
    mutating func removeAll(where isRemoved: (Entry) -> Bool) -> [Entry] {
        let removed = entries.filter(isRemoved)
        guard !removed.isEmpty else { return [] }
        entries.removeAll(where: isRemoved)
        for entry in removed { positions[entry.worker] = nil }
        index(from: 0)
        return removed
    }
}

// MARK: -

extension WorkerTable: RandomAccessCollection, MutableCollection {
    var startIndex: Int { 0 }
    var endIndex: Int { entries.count }

    /// - Precondition: an entry is replaced by one of the same worker.
    subscript(position: Int) -> Entry {
        get { entries[position] }
        _modify { yield &entries[position] }
    }
}
