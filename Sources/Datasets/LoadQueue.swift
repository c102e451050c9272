// SPDX-License-Identifier: Apache-2.0
import Primitives

/// The state of a loader: which rows are wanted, which are ready, who waits. Pure: no thread, no
/// file, no decoder.
///
/// Rows are decoded one by one, those that somebody waits for before those only announced. A
/// microbatch is forgotten when it is handed out; one with unreadable clips stays, so that loading
/// it again with those masked decodes nothing twice.
struct LoadQueue<Waiter: Sendable>: Sendable {
    /// Names a microbatch.
    struct Key: Hashable, Sendable {
        let step: Step
        let lane: Int
    }

    /// One clip to be decoded for a microbatch.
    struct Unit: Equatable, Sendable {
        let key: Key
        let clipIndex: Int
    }

    /// What to tell a waiter.
    struct Delivery: Sendable {
        let waiter: Waiter
        let outcome: LoadOutcome
    }

    /// What the sample order says about a microbatch.
    struct Plan: Sendable {
        let key: Key
        let clipIndices: [Int]
        let plannedRowCountOfStep: Int
    }

    private enum Row: Sendable {
        case queued
        case running
        case finished(Result<ClipRow, UnreadableClip>)
    }

    private struct Job: Sendable {
        let plan: Plan
        var rows: [Int: Row] = [:]
        var waiters: [(waiter: Waiter, masked: Set<Int>)] = []

        var stopDeliveries: [Delivery] {
            waiters.map { Delivery(waiter: $0.waiter, outcome: .stopped) }
        }

        /// Nil while a row is missing.
        func outcome(masked: Set<Int>) -> LoadOutcome? {
            var readable: [ClipRow] = []
            var unreadable: [UnreadableClip] = []
            for clipIndex in plan.clipIndices where !masked.contains(clipIndex) {
                guard case .finished(let result) = rows[clipIndex] else { return nil }
                switch result {
                case .success(let row): readable.append(row)
                case .failure(let clip): unreadable.append(clip)
                }
            }
            guard unreadable.isEmpty else { return .unreadable(unreadable) }
            return .microbatch(
                Microbatch(
                    step: plan.key.step, lane: plan.key.lane, rows: readable,
                    plannedRowCount: plan.clipIndices.count,
                    plannedRowCountOfStep: plan.plannedRowCountOfStep))
        }
    }

    /// Rows that requests may hold, ready or not. Somebody who waits is always admitted.
    let heldRowsMax: Int
    private var jobs: [Key: Job] = [:]
    private var awaited: [Unit] = []
    private var announced: [Unit] = []
    private(set) var isStopped = false

    init(heldRowsMax: Int) {
        precondition(heldRowsMax >= 1, "room for \(heldRowsMax) rows")
        self.heldRowsMax = heldRowsMax
    }

    var heldRowCount: Int { jobs.values.reduce(0) { $0 + $1.rows.count } }

    /// Announces that a microbatch will be loaded.
    /// - Returns: how many units were queued; nil if there is no room and nothing was done.
    mutating func request(_ plan: Plan, masked: Set<Int>) -> Int? {
        guard !isStopped else { return nil }
        var job = jobs[plan.key] ?? Job(plan: plan)
        let absent = plan.clipIndices.filter { !masked.contains($0) && job.rows[$0] == nil }
        guard heldRowCount + absent.count <= heldRowsMax else { return nil }
        for clipIndex in absent {
            job.rows[clipIndex] = .queued
            announced.append(Unit(key: plan.key, clipIndex: clipIndex))
        }
        jobs[plan.key] = job
        return absent.count
    }

    /// - Returns: how many units were queued, and the answer if it is ready.
    mutating func load(
        _ plan: Plan, masked: Set<Int>, waiter: Waiter
    ) -> (queuedCount: Int, deliveries: [Delivery]) {
        guard !isStopped else { return (0, [Delivery(waiter: waiter, outcome: .stopped)]) }
        var job = jobs[plan.key] ?? Job(plan: plan)
        var queuedCount = 0
        for clipIndex in plan.clipIndices where !masked.contains(clipIndex) {
            switch job.rows[clipIndex] {
            case .running, .finished: continue
            // One that was only announced moves ahead; its old place is skipped later.
            case .queued, nil:
                job.rows[clipIndex] = .queued
                awaited.append(Unit(key: plan.key, clipIndex: clipIndex))
                queuedCount += 1
            }
        }
        job.waiters.append((waiter, masked))
        jobs[plan.key] = job
        return (queuedCount, deliver(plan.key))
    }

    /// The next clip to decode; nil if what stood in the queue is not wanted any more.
    mutating func next() -> Unit? {
        let unit: Unit
        if !awaited.isEmpty {
            unit = awaited.removeFirst()
        } else if !announced.isEmpty {
            unit = announced.removeFirst()
        } else {
            return nil
        }
        guard case .queued = jobs[unit.key]?.rows[unit.clipIndex] else { return nil }
        jobs[unit.key]?.rows[unit.clipIndex] = .running
        return unit
    }

    mutating func finish(_ unit: Unit, _ result: Result<ClipRow, UnreadableClip>) -> [Delivery] {
        guard jobs[unit.key]?.rows[unit.clipIndex] != nil else { return [] }
        jobs[unit.key]?.rows[unit.clipIndex] = .finished(result)
        return deliver(unit.key)
    }

    /// Forgets what is held for steps up to this one. Those who wait for them are told to stop.
    mutating func discard(through step: Step) -> [Delivery] {
        let past = jobs.keys.filter { $0.step <= step }
        return past.flatMap { jobs.removeValue(forKey: $0)?.stopDeliveries ?? [] }
    }

    mutating func stop() -> [Delivery] {
        isStopped = true
        awaited.removeAll()
        announced.removeAll()
        let deliveries = jobs.values.flatMap { $0.stopDeliveries }
        jobs.removeAll()
        return deliveries
    }

    private mutating func deliver(_ key: Key) -> [Delivery] {
        guard var job = jobs[key], !job.waiters.isEmpty else { return [] }
        var deliveries: [Delivery] = []
        var isHandedOut = false
        for (waiter, masked) in job.waiters {
            guard let outcome = job.outcome(masked: masked) else { continue }
            if case .microbatch = outcome { isHandedOut = true }
            deliveries.append(Delivery(waiter: waiter, outcome: outcome))
        }
        let answered = job
        job.waiters = job.waiters.filter { answered.outcome(masked: $0.masked) == nil }
        jobs[key] = isHandedOut && job.waiters.isEmpty ? nil : job
        return deliveries
    }
}
