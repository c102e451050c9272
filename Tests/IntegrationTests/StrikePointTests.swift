// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives
import Testing

/// Processes that die at each point of what they do, one after the other, in one run.
@Suite(.serialized) struct StrikePointTests {
    /// Of one cluster; many more than are needed.
    private static let livesMax = 300

    struct Series: Sendable, CustomTestStringConvertible {
        let call: StrikePoint.Call
        /// From one life to the next.
        let stride: Int
        /// Of a run.
        let deathsMin: Int
        var testDescription: String { "every \(stride). \(call) call" }
    }

    private func expectReference(_ cluster: Cluster) throws {
        let status = try cluster.finish()
        #expect(status.step == status.stepCount)
        #expect(status.stateHash == (try SameBitsTests.reference.get()))
        let verification = try cluster.verification()
        #expect(verification.exitCode == 0, "\(verification.output)\(verification.errors)")
    }

    /// It dies at its first write, its second, and so on, in its start and in the midst of the run,
    /// until a life is long enough for the rest. Records are torn, checkpoints are published and
    /// not recorded, or the other way round.
    @Test(arguments: [
        Series(call: .fdatasync, stride: 1, deathsMin: 10),
        Series(call: .pwrite64, stride: 5, deathsMin: 10),
        Series(call: .fsync, stride: 1, deathsMin: 3),
        Series(call: .rename, stride: 1, deathsMin: 3),
    ])
    func theCoordinatorDiesAtEachOfItsWrites(_ series: Series) throws {
        func point(_ life: Int) -> StrikePoint {
            StrikePoint(
                call: series.call, number: 1 + life * series.stride,
                moment: life.isMultiple(of: 2) ? .before : .after)
        }
        let cluster = try Cluster(Workplace.shared.get(), workerCount: 2, strike: point(0))
        var deaths = 0
        while deaths < Self.livesMax {
            try addWorkersIfItListens(cluster)
            let outcome = try cluster.coordinator.wait()
            guard outcome.endedBySignal else { break }
            #expect(outcome.exitCode == SIGKILL, "\(point(deaths))")
            deaths += 1
            try cluster.restartCoordinator(workerCount: 2, strike: point(deaths))
        }

        #expect(deaths >= series.deathsMin)
        try expectReference(cluster)
    }

    /// Without them it would wait for ever; some lives end before.
    private func addWorkersIfItListens(_ cluster: Cluster) throws {
        while cluster.workers.isEmpty {
            if cluster.hasEndpoint { return try cluster.addWorkers(2) }
            guard cluster.coordinator.isRunning else { return }
        }
    }

    /// It dies with its first word to anybody, its second, and so on: as a stranger, on its way in,
    /// and as a member, in turn with shared memory and without.
    @Test func aWorkerDiesAtEachWordThatItSends() throws {
        let cluster = try Cluster(Workplace.shared.get(), workerCount: 3)
        try cluster.addWorkers(2)
        var deaths = 0
        var number = 1
        while deaths < Self.livesMax, try cluster.isRunning() {
            let sharing = deaths.isMultiple(of: 2) ? [] : ["--no-shared-memory"]
            let worker = try cluster.startWorker(
                ["--threads", "1", "--give-up-after", "2"] + sharing,
                strike: StrikePoint(call: .send, number: number))
            let outcome = try worker.wait()
            guard outcome.endedBySignal else { break }
            #expect(outcome.exitCode == SIGKILL)
            deaths += 1
            number += 1 + number / 4
        }

        #expect(deaths >= 8)
        try expectReference(cluster)
    }
}
