// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Foundation
import Media
import Primitives
import Synchronization
import Threads

/// The threads of a loader and the queue that they share.
///
/// The semaphore counts entries of the queue (and, after a stop, threads to be released); the queue
/// itself is protected by the mutex. Completions and decoding run outside of it.
final class LoaderWorkshop: Sendable {
    typealias Queue = LoadQueue<MicrobatchLoader.Completion>

    private let specification: FrameSpecification
    private let source: ClipSource
    private let cache: FrameCache
    private let encodeText: @Sendable (Clip) -> [Int32]
    private let queue: Mutex<Queue>
    private let entries = DispatchSemaphore(value: 0)
    private let threads = DispatchGroup()
    private let threadCount: Int

    init(
        _ configuration: MicrobatchLoader.Configuration, source: ClipSource, cache: FrameCache,
        encodeText: @escaping @Sendable (Clip) -> [Int32]
    ) {
        specification = configuration.specification
        threadCount = configuration.threadCount
        self.source = source
        self.cache = cache
        self.encodeText = encodeText
        let rowsMax = configuration.heldBytesMax / max(1, configuration.specification.byteCount)
        queue = Mutex(Queue(heldRowsMax: max(1, rowsMax)))
    }

    func startThreads(_ count: Int) {
        for index in 0..<count {
            threads.enter()
            _ = NamedThread("loader-\(index)") { [self] in
                while runOne() {}
                threads.leave()
            }
        }
    }

    func request(_ plan: Queue.Plan, masked: Set<Int>) -> Bool {
        let queuedCount = queue.withLock { $0.request(plan, masked: masked) }
        wake(queuedCount ?? 0)
        return queuedCount != nil
    }

    func load(
        _ plan: Queue.Plan, masked: Set<Int>, _ completion: @escaping MicrobatchLoader.Completion
    ) {
        let (queuedCount, deliveries) = queue.withLock {
            $0.load(plan, masked: masked, waiter: completion)
        }
        wake(queuedCount)
        deliver(deliveries)
    }

    func discard(through step: Step) {
        deliver(queue.withLock { $0.discard(through: step) })
    }

    func stop() {
        let deliveries: [Queue.Delivery]? = queue.withLock { $0.isStopped ? nil : $0.stop() }
        guard let deliveries else { return }
        wake(threadCount)
        deliver(deliveries)
    }

    /// False if some have not ended then.
    func waitForThreads(_ milliseconds: Int) -> Bool {
        threads.wait(timeout: .now() + .milliseconds(milliseconds)) == .success
    }

    /// False when the thread is to end.
    private func runOne() -> Bool {
        entries.wait()
        let (unit, isStopped) = queue.withLock { ($0.next(), $0.isStopped) }
        guard !isStopped else { return false }
        guard let unit else { return true }
        let result = decode(unit.clipIndex)
        deliver(queue.withLock { $0.finish(unit, result) })
        return true
    }

    private func decode(_ clipIndex: Int) -> Result<ClipRow, UnreadableClip> {
        let clip = source.clips[clipIndex]
        let reading = source.witness?.begin(reading: clip.path)
        defer { if let reading { source.witness?.end(reading) } }
        let frames: [UInt8]
        do {
            frames = try cache.frames(of: clip.path, specification) {
                () throws(MediaFailure) -> [UInt8] in try read(clip)
            }
        } catch {
            return unreadable(clipIndex, "cannot \(error.operation) it: \(error.reason)")
        }
        guard frames.count == specification.byteCount else {
            return unreadable(
                clipIndex,
                "the decoder gave \(frames.count) bytes for \(specification.frameCount) frames of "
                    + "\(specification.frameSize) x \(specification.frameSize) pixels")
        }
        let decoded = DecodedClip(frames: frames, frameCount: specification.frameCount)
        return .success(ClipRow(clipIndex: clipIndex, frames: decoded, tokens: encodeText(clip)))
    }

    /// To mask a good clip would change the result for all. So a process that lacks memory ends,
    /// and what was lacking for a moment only is there at the second attempt.
    private func read(_ clip: Clip) throws(MediaFailure) -> [UInt8] {
        do {
            return try source.decoder.decode(path: clip.path, specification)
        } catch {
            error.lack?.endProcess()
        }
        do {
            return try source.decoder.decode(path: clip.path, specification)
        } catch {
            error.lack?.endProcess()
            throw error
        }
    }

    private func unreadable(
        _ clipIndex: Int, _ reason: String
    ) -> Result<ClipRow, UnreadableClip> {
        .failure(
            UnreadableClip(
                clipIndex: clipIndex, path: source.clips[clipIndex].path, reason: reason))
    }

    private func wake(_ count: Int) {
        for _ in 0..<count { entries.signal() }
    }

    private func deliver(_ deliveries: [Queue.Delivery]) {
        for delivery in deliveries { delivery.waiter(delivery.outcome) }
    }
}
