// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives
import Testing

/// Processes that the system gives less than they ask for: memory, or open files.
@Suite(.serialized) struct MemoryLimitTests {
    /// Between limits that are tried; less than the stacks of a worker's threads, so that one of
    /// them strikes where a thread is made.
    private static let stepBytes = 24 << 20
    private static let limitCount = 24
    /// How a worker with little memory may end by itself; the dynamic linker's code is 127.
    private static let ends = Cluster.endsOfReturned.union([ExitReason.memoryLacking.rawValue, 127])

    /// From nearly enough downwards: at a lane's first microbatch, at the sums of neighbours, at a
    /// thread, at the scratch memory of products.
    @Test func aWorkerWithTooLittleMemoryEndsAndTheOthersGoOn() throws {
        let cluster = try Cluster(Workplace.shared.get(), workerCount: 1)
        try cluster.addWorkers(1)
        try cluster.wait("the first step") { $0.step >= 1 }
        let enough = try #require(cluster.workers[0].addressBytesMax())

        let limited = try (1...Self.limitCount).map { number in
            try cluster.startWorker(
                ["--threads", "1", "--give-up-after", "5"],
                limit: "--as=\(enough - number * Self.stepBytes)")
        }
        let outcomes = try limited.map { try $0.wait() }

        let status = try cluster.finish()
        #expect(status.stateHash == (try SameBitsTests.reference.get()))
        #expect(status.maskedClips == 0)
        #expect(try cluster.verification().exitCode == 0)
        for outcome in outcomes {
            #expect(
                outcome.endedBySignal || Self.ends.contains(outcome.exitCode),
                "\(outcome.exitCode): \(outcome.errors)")
        }
        let told = outcomes.filter { $0.exitCode == ExitReason.memoryLacking.rawValue }
        try #require(!told.isEmpty, "\(outcomes.map(\.exitCode))")
        #expect(told.allSatisfy { $0.errors.contains("ulimit -v") })
    }

    /// A worker to which others come, whose sums it has to map, and the coordinator. A worker that
    /// only waited for memory would keep all others waiting.
    @Test(
        arguments: [
            (1, .memory), (2, .memory), (5, .memory), (1, .descriptors), (3, .descriptors),
        ] as [(UInt64, AccordProcess.Resource)])
    func noMoreInMidRun(seed: UInt64, resource: AccordProcess.Resource) throws {
        let cluster = try Cluster(Workplace.shared.get(), workerCount: 2)
        try cluster.addWorkers(2)

        var squeezed: [AccordProcess] = []
        try cluster.strikeAtRandom(seed) { squeezed = [try $0.squeezeWorker(1, of: resource)] }
        try cluster.addWorkers(2)
        try cluster.strikeAtRandom(seed + 100) { try $0.squeezeCoordinator(of: resource) }
        let outcome = try cluster.coordinator.wait()
        #expect(!outcome.errors.contains("waits for the memory of"))
        if outcome.exitCode != ExitReason.success.rawValue {
            try cluster.restartCoordinator(workerCount: 1)
        }

        let status = try cluster.finish()
        #expect(status.stateHash == (try SameBitsTests.reference.get()))
        #expect(try cluster.verification().exitCode == 0)
        #expect(cluster.strikes.count == 2)
        #expect(status.maskedClips == 0)
        #expect(!cluster.coordinator.errors.contains("waits for the memory of"))
        for worker in squeezed {
            let outcome = try worker.wait()
            #expect(
                outcome.endedBySignal || Self.ends.contains(outcome.exitCode),
                "\(outcome.exitCode): \(outcome.errors)")
        }
    }
}
