// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Foundation
import Media
import Primitives
import Synchronization

/// Prepares microbatches on threads of its own: decoded frames and tokens.
///
/// What a microbatch holds depends on the sample order, the clips and the masked clips only, never
/// on the threads, the cache or the order of requests. A clip that cannot be decoded is reported,
/// not replaced; it is left out once the caller lists it as masked.
///
/// Isolation: any thread. `load` without a completion blocks, so never on the cooperative pool.
package final class MicrobatchLoader: Sendable {
    package struct Configuration: Sendable {
        package var specification: FrameSpecification
        /// Loader threads; each decodes one clip at a time.
        package var threadCount: Int
        /// Frames that requests may hold before they are loaded, in bytes.
        package var heldBytesMax: Int

        package init(
            specification: FrameSpecification, threadCount: Int = 1,
            heldBytesMax: Int = 256 << 20
        ) {
            self.specification = specification
            self.threadCount = threadCount
            self.heldBytesMax = heldBytesMax
        }
    }

    package typealias Completion = @Sendable (LoadOutcome) -> Void

    private let workshop: LoaderWorkshop
    private let order: SampleOrder
    private let orders = Mutex<[EpochOrder]>([])

    /// - Parameter encodeText: the tokens of a clip; runs on the loader threads.
    package init(
        _ configuration: Configuration, source: ClipSource, cache: FrameCache,
        encodeText: @escaping @Sendable (Clip) -> [Int32]
    ) {
        precondition(configuration.threadCount >= 1, "\(configuration.threadCount) threads")
        precondition(
            source.clips.count == source.order.clipCount,
            "\(source.clips.count) clips, an order of \(source.order.clipCount)")
        order = source.order
        workshop = LoaderWorkshop(
            configuration, source: source, cache: cache, encodeText: encodeText)
        workshop.startThreads(configuration.threadCount)
    }

    /// The threads hold no reference to the loader; a forgotten `shutDown` leaks none of them.
    deinit { workshop.stop() }

    /// Says that a microbatch will be loaded soon, so that its clips are decoded ahead.
    ///
    /// - Returns: false if there is no room for more; the hint is then forgotten.
    @discardableResult
    package func request(step: Step, lane: Int, masked: Set<Int> = []) -> Bool {
        workshop.request(plan(step: step, lane: lane), masked: masked)
    }

    /// Waits for a microbatch.
    ///
    /// - Parameter masked: clips (indices into the collection) that are left out undecoded.
    package func load(step: Step, lane: Int, masked: Set<Int> = []) -> LoadOutcome {
        let answer = PendingAnswer()
        load(step: step, lane: lane, masked: masked) { answer.fulfil($0) }
        return answer.wait()
    }

    /// - Parameter completion: runs once, on a loader thread, or before this returns if the answer
    ///   is there; it should only pass the answer on.
    package func load(
        step: Step, lane: Int, masked: Set<Int> = [], completion: @escaping Completion
    ) {
        workshop.load(plan(step: step, lane: lane), masked: masked, completion)
    }

    /// Drops what is held for steps up to this one: lanes that moved to another worker.
    package func discard(through step: Step) { workshop.discard(through: step) }

    /// Ends the threads after the clips that they are decoding and waits for them. Those who wait
    /// for a microbatch are told `.stopped`, and so is everybody later.
    ///
    /// Isolation: any thread but the loader's own.
    /// - Parameter milliseconds: at most so long; no clip takes as long to decode as a user waits
    ///   for a program to end.
    /// - Returns: false if a thread goes on: a file system that does not answer holds it.
    @discardableResult
    package func shutDown(within milliseconds: Int = 5000) -> Bool {
        workshop.stop()
        return workshop.waitForThreads(milliseconds)
    }

    private func plan(step: Step, lane: Int) -> LoaderWorkshop.Queue.Plan {
        let epochOrder = epochOrder(order.position(of: step).epoch)
        return LoaderWorkshop.Queue.Plan(
            key: LoaderWorkshop.Queue.Key(step: step, lane: lane),
            clipIndices: order.clips(step: step, lane: lane, in: epochOrder),
            plannedRowCountOfStep: order.plannedRowCount(step: step))
    }

    /// Keeps two: around an epoch's end requests run ahead into the next.
    private func epochOrder(_ epoch: Int) -> EpochOrder {
        orders.withLock { orders in
            if let known = orders.first(where: { $0.epoch == epoch }) { return known }
            let drawn = order.order(ofEpoch: epoch)
            orders = orders.suffix(1) + [drawn]
            return drawn
        }
    }
}

/// Which clips a loader reads, in which order, and how.
package struct ClipSource: Sendable {
    package let clips: [Clip]
    package let order: SampleOrder
    package let decoder: any FrameDecoding
    let witness: (any ReadingWitness)?

    package init(
        clips: [Clip], order: SampleOrder, decoder: any FrameDecoding = VideoFileDecoding(),
        witness: (any ReadingWitness)? = nil
    ) {
        self.clips = clips
        self.order = order
        self.decoder = decoder
        self.witness = witness
    }
}

/// Is told which files are being read: a file system may not answer.
///
/// Isolation: any thread.
package protocol ReadingWitness: Sendable {
    /// - Returns: what `end` is to be told.
    func begin(reading path: String) -> Int
    func end(_ number: Int)
}

/// An outcome that a thread waits for.
private final class PendingAnswer: Sendable {
    private let outcome = Mutex<LoadOutcome>(.stopped)
    private let semaphore = DispatchSemaphore(value: 0)

    func fulfil(_ outcome: LoadOutcome) {
        self.outcome.withLock { $0 = outcome }
        semaphore.signal()
    }

    func wait() -> LoadOutcome {
        semaphore.wait()
        return outcome.withLock { $0 }
    }
}
