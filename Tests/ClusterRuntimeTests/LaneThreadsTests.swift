// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Datasets
import Dispatch
import Foundation
import Media
import Messaging
import Primitives
import Testing
import Training

@testable import ClusterRuntime

@Suite struct LaneThreadsTests {
    /// Black frames; none before the gate is opened.
    private final class GatedDecoding: FrameDecoding {
        let hasBegun = DispatchSemaphore(value: 0)
        private let gate = DispatchSemaphore(value: 0)

        func open() { gate.signal() }

        func decode(
            path: String, _ specification: FrameSpecification
        ) throws(MediaFailure) -> [UInt8] {
            hasBegun.signal()
            gate.wait()
            gate.signal()
            let size = specification.frameSize
            return [UInt8](repeating: 0, count: specification.frameCount * size * size * 3)
        }
    }

    /// The worker has heard the result of the step from a peer while the lane of another waited for
    /// its clips: the step is over, and the only thread has the next one to do.
    @Test func aThreadWhoseClipsAreNotWantedAnyMoreGoesOn() throws {
        let bench = try OpeningBench()
        bench.configuration.lanes.count = 2
        bench.configuration.lanes.microbatchSize = 1
        let setup = try RunSetup(bench.configuration)
        let decoder = GatedDecoding()
        let loader = MicrobatchLoader(
            .init(specification: setup.model.frameSpecification),
            source: ClipSource(clips: setup.collection.clips, order: setup.order, decoder: decoder),
            cache: try FrameCache(.memory, bytesMax: 1 << 20), encodeText: { _ in [2, 5, 3] })
        let replica = try bench.replica()
        let accumulator = replica.makeAccumulator()
        let events = Mailbox<WorkerCore.Event>()
        let threads = LaneThreads(
            count: 1, replica: replica, accumulator: accumulator, loader: loader, events: events)
        defer { threads.stop() }
        let key = AccumulationKey(step: Step(1), attempt: 1)
        accumulator.reset(for: key, scales: replica.scales)

        threads.compute([0], key: key)
        decoder.hasBegun.wait()
        loader.discard(through: Step(1))
        decoder.open()
        threads.compute([1], key: key)

        poll([], events.wakeUp, timeoutMilliseconds: 60_000)
        #expect(
            events.drain() == [.laneFinished(step: Step(1), attempt: 1, lane: 1)],
            "the lane after the one that was given up is computed")
    }
}
