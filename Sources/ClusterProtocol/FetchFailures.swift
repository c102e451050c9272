// SPDX-License-Identifier: Apache-2.0
import Primitives

/// States that were to become checkpoints and could not be fetched, since the last checkpoint.
struct FetchFailures: Equatable, Sendable {
    /// Whoever was asked in vain is left alone for so long, while there are others.
    private static let recentTicks: UInt64 = 50

    private(set) var count = 0
    /// The last one, as a sentence.
    private(set) var text: String?
    private var ticks: [WorkerID: UInt64] = [:]

    mutating func add(_ text: String, of worker: WorkerID?, at tick: UInt64) {
        count += 1
        self.text = text
        if let worker { ticks[worker] = tick }
    }

    /// Whoever has the least is asked first: 0 for whom none has failed.
    func order(of worker: WorkerID) -> UInt64 { ticks[worker].map { $0 + 1 } ?? 0 }

    func isRecent(of worker: WorkerID, at tick: UInt64) -> Bool {
        ticks[worker].map { tick - $0 < Self.recentTicks } ?? false
    }
}
