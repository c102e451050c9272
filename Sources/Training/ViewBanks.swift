// SPDX-License-Identifier: Apache-2.0
import Objectives
import Primitives

/// The memory banks of a run: one for each view whose keys are kept.
///
/// Isolation: lanes read while nobody enqueues.
package struct ViewBanks {
    /// Ascending, as banks are enqueued, hashed and written.
    package let views: [ClipView]
    package private(set) var byView: [ClipView: MemoryBank]

    package init(_ views: [ClipView], capacity: Int, width: Int) {
        self.views = views.sorted()
        byView = Dictionary(
            uniqueKeysWithValues: views.map {
                ($0, MemoryBank(capacity: capacity, width: width))
            })
    }

    /// Nil for a view that has none. Setting replaces the bank of a view that has one.
    package subscript(_ view: ClipView) -> MemoryBank? {
        get { byView[view] }
        set {
            precondition(byView[view] != nil && newValue != nil, "no bank of \(view) is kept")
            byView[view] = newValue
        }
    }

    /// Over the keys of all banks, in steps; nil while there is none.
    func meanAge(at step: Step) -> Double? {
        let ages = views.compactMap { view in
            byView[view].flatMap { bank in bank.ages(at: step).map { ($0.mean, bank.count) } }
        }
        let count = ages.reduce(0) { $0 + $1.1 }
        return count == 0 ? nil : ages.reduce(0) { $0 + $1.0 * Double($1.1) } / Double(count)
    }

    mutating func resize(to capacity: Int) {
        byView = byView.mapValues {
            $0.capacity == capacity ? $0 : $0.resized(to: capacity)
        }
    }

    /// The keys of a step, of all lanes in order.
    func enqueue(_ reports: [LaneReport], step: Step) {
        for (place, view) in views.enumerated() {
            byView[view]?.enqueue(reports.flatMap { $0.keys[place] }, step: step)
        }
    }
}
