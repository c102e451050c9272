// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Tensors
import Threads

/// Work on all elements of long vectors, cut into pieces that threads take in turn.
///
/// Only for work whose result does not depend on how it is cut. Threads are started for it: that
/// takes some ten microseconds each, and libdispatch's wait for ever if the system gives none.
/// Isolation: blocks the calling thread until all pieces are done.
struct ParallelPieces: Sendable {
    /// The caller and as many helpers as make up this number.
    let threadCount: Int

    /// What `body` makes of 0..<count, called from several threads, in order.
    func map<Result: Sendable>(
        _ count: Int, _ body: @escaping @Sendable (Int) -> Result
    ) -> [Result] {
        let results = Mutex<[Int: Result]>([:])
        forEach(count, scratchCount: 0) { index, _ in
            let result = body(index)
            results.withLock { $0[index] = result }
        }
        return results.withLock { found in (0..<count).compactMap { found[$0] } }
    }

    /// - Parameter scratchCount: floats of memory that every thread has for itself.
    /// - Parameter body: gets 0..<count, each once, from several threads.
    func forEach(
        _ count: Int, scratchCount: Int,
        _ body: @escaping @Sendable (Int, UnsafeMutablePointer<Float>) -> Void
    ) {
        let threads = max(1, min(threadCount, count))
        let run: @Sendable (Int) -> Void = { thread in
            let scratch = FloatVector(count: scratchCount)
            for index in stride(from: thread, to: count, by: threads) {
                body(index, scratch.pointer)
            }
            withExtendedLifetime(scratch) {}
        }
        let others = (1..<threads).map { thread in
            NamedThread("pieces-\(thread)") { run(thread) }
        }
        run(0)
        for other in others { other.join() }
    }
}
