// SPDX-License-Identifier: Apache-2.0
import Dispatch

/// Work on all elements of long vectors, cut into pieces that threads take in turn.
///
/// Only for work whose result does not depend on how it is cut.
/// Isolation: blocks the calling thread until all pieces are done.
struct ParallelPieces: Sendable {
    /// The caller and as many helpers as make up this number.
    let threadCount: Int

    /// - Parameter body: gets 0..<count, each once, from several threads.
    func forEach(_ count: Int, _ body: @Sendable (Int) -> Void) {
        let threads = min(threadCount, count)
        guard threads > 1 else {
            for index in 0..<count { body(index) }
            return
        }
        DispatchQueue.concurrentPerform(iterations: threads) { thread in
            for index in stride(from: thread, to: count, by: threads) { body(index) }
        }
    }
}
