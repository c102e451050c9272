// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives
import Testing

/// Bad lines between workers and their coordinator.
@Suite(.serialized) struct FaultyProxyTests {
    private let workplace: Workplace

    init() throws { workplace = try Workplace.shared.get() }

    /// - Parameter options: of each worker.
    private func run(
        _ cluster: Cluster, _ faults: FaultyProxy.Faults, options: [[String]]
    ) throws -> [FaultyProxy.Counts] {
        let endpoint = try cluster.waitForEndpoint()
        let proxies = try options.indices.map {
            try FaultyProxy(to: endpoint, faults, seed: 1 + UInt64($0))
        }
        defer { for proxy in proxies { proxy.stop() } }
        for (proxy, own) in zip(proxies, options) {
            try cluster.addWorker(options: own, at: proxy.endpoint)
        }
        let status = try cluster.finish(ends: Cluster.endsOfReturned)
        #expect(status.step == status.stepCount)
        #expect(status.stateHash == (try SameBitsTests.reference.get()))
        let verification = try cluster.verification()
        #expect(verification.exitCode == 0, "\(verification.output)\(verification.errors)")
        return proxies.map(\.counts)
    }

    @Test func aLineThatIsSlowAndBreaks() throws {
        var faults = FaultyProxy.Faults()
        faults.delayMillisecondsMax = 60
        faults.bytesPerSecond = 100_000
        faults.resetEveryBytes = 20_000

        let counts = try run(
            Cluster(workplace, workerCount: 3), faults, options: [[], [], []])

        #expect(counts.allSatisfy { $0.delays > 10 && $0.throttledPieces > 10 })
        #expect(counts.reduce(0) { $0 + $1.resets } >= 3)
        #expect(counts.reduce(0) { $0 + $1.connections } >= 6)
    }

    /// With keys, as between machines: nothing wrong is believed, and the connection begins anew.
    @Test func aLineThatTurnsBits() throws {
        let keys = workplace.directory.appending(path: "keys-\(UUID())")
        let made = try AccordProcess.run(
            ["keygen", "--out", keys.path, "--workers", "2"], logsIn: workplace.directory)
        try #require(made.exitCode == 0, "\(made.errors)")
        func folder(_ name: String) -> [String] { ["--keys", keys.appending(path: name).path] }
        var faults = FaultyProxy.Faults()
        faults.flipEveryBytes = 20_000

        let counts = try run(
            Cluster(workplace, workerCount: 2, options: folder("coordinator")), faults,
            options: ["worker-1", "worker-2"].map(folder))

        #expect(counts.reduce(0) { $0 + $1.flips } >= 3)
        #expect(counts.reduce(0) { $0 + $1.connections } >= 5)
    }

    /// For good. Whom the coordinator does not hear is given up, and so is who does not hear the
    /// coordinator, once the others wait for it; if they never do, it goes on with them.
    @Test(arguments: FaultyProxy.Direction.allCases)
    func aLineThatIsCutInOneDirection(_ direction: FaultyProxy.Direction) throws {
        let cluster = try Cluster(workplace, workerCount: 3)
        let proxy = try FaultyProxy(to: cluster.waitForEndpoint(), .init(), seed: 1)
        defer {
            proxy.mend()
            proxy.stop()
        }
        try cluster.addWorkers(2)
        let cutOff = try cluster.startWorker(["--threads", "1"], at: proxy.endpoint)
        try cluster.wait("some steps") { $0.step >= 6 }

        proxy.cut(direction)
        let start = try cluster.status().step
        let status = try cluster.finish()
        // It may look for the coordinator for a while yet.
        cutOff.signal(SIGKILL)
        _ = try cutOff.wait()

        #expect(start < status.stepCount)
        #expect(proxy.counts.heldBytes > 0)
        #expect(status.step == status.stepCount)
        #expect(status.stateHash == (try SameBitsTests.reference.get()))
        let verification = try cluster.verification()
        #expect(verification.exitCode == 0, "\(verification.output)\(verification.errors)")
    }
}
