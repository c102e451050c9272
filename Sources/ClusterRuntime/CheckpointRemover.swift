// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Logging
import Primitives
import Synchronization
import Threads

/// Removes checkpoints that are too many, on a thread of its own: what is large takes a while.
/// Isolation: one thread asks; another removes.
final class CheckpointRemover: Sendable {
    private struct State {
        var isBusy = false
        /// The newest that was told meanwhile.
        var next: Step?
    }

    private let store: CheckpointStore
    private let keepCount: Int
    private let logger: Logger
    private let state = Mutex(State())
    private let thread = Mutex<NamedThread?>(nil)

    init(_ store: CheckpointStore, keepCount: Int, _ logger: Logger) {
        self.store = store
        self.keepCount = keepCount
        self.logger = logger
    }

    /// Once the ledger knows the newest: whatever ends this process before, the one that the ledger
    /// knows is there. Never waits for a removal.
    func remove(before newest: Step) {
        let isBusy = state.withLock { state in
            defer { state.isBusy = true }
            if state.isBusy { state.next = newest }
            return state.isBusy
        }
        guard !isBusy else { return }
        finish()
        let started = NamedThread("old checkpoints") { [self] in
            var step: Step? = newest
            while let known = step {
                removeNow(before: known)
                step = takeNext()
            }
        }
        thread.withLock { $0 = started }
    }

    /// Waits for a removal that is under way.
    func finish() {
        let last = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        last?.join()
    }

    private func takeNext() -> Step? {
        state.withLock { state in
            defer { state.next = nil }
            state.isBusy = state.next != nil
            return state.next
        }
    }

    private func removeNow(before newest: Step) {
        do {
            for warning in try store.retain(newest: keepCount, through: newest) {
                logger.warning("\(warning)")
            }
        } catch {
            logger.warning("old checkpoints are left in place: \(error)")
        }
    }
}
