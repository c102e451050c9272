// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives
import Testing

/// Promise 6 with real processes: strangers of every kind change nothing and are counted.
@Suite(.serialized) struct StrangersTests {
    private let workplace: Workplace
    private let keys: URL

    init() throws {
        workplace = try Workplace.shared.get()
        keys = workplace.directory.appending(path: "keys-\(UUID())")
        try makeKeys(keys)
    }

    private func makeKeys(_ folder: URL) throws {
        let outcome = try AccordProcess.run(
            ["keygen", "--out", folder.path, "--workers", "2"], logsIn: workplace.directory)
        try #require(outcome.exitCode == 0, "\(outcome.errors)")
    }

    private func folder(_ name: String, of keys: URL? = nil) -> [String] {
        ["--keys", (keys ?? self.keys).appending(path: name).path]
    }

    /// Over the network, so that all sums are encrypted; on all addresses, which needs keys.
    private func cluster() throws -> Cluster {
        let cluster = try Cluster(
            workplace, workerCount: 2, listen: "tcp://0.0.0.0:0", options: folder("coordinator"))
        for name in ["worker-1", "worker-2"] {
            try cluster.addWorker(options: folder(name) + ["--no-shared-memory"])
        }
        return cluster
    }

    /// Starts a worker that must not get in.
    private func stranger(_ cluster: Cluster, _ options: [String]) throws -> AccordProcess {
        try cluster.startWorker(["--threads", "1", "--give-up-after", "2"] + options)
    }

    /// A worker with a key that nobody knows, one that knows another coordinator, one without keys,
    /// and noise; a worker is killed, and the coordinator, and both come back.
    @Test func strangersChangeNothingAndAreCounted() throws {
        let cluster = try cluster()
        try cluster.wait("the first step") { $0.step >= 1 }
        let others = workplace.directory.appending(path: "keys-\(UUID())")
        try makeKeys(others)
        let mixed = try mixedFolder(own: others, coordinator: keys)

        let unknown = try stranger(cluster, ["--keys", mixed.path])
        let misled = try stranger(cluster, folder("worker-1", of: others))
        let plain = try stranger(cluster, [])
        try makeNoise(at: try cluster.waitForEndpoint(), connections: 20)
        try cluster.killWorker(0)
        try cluster.addWorker(options: folder("worker-1") + ["--no-shared-memory"])
        let outcomes = try [unknown, misled, plain].map { try $0.wait() }
        #expect(
            outcomes.map(\.exitCode)
                == [ExitReason.rejected, .clusterUnreachable, .clusterUnreachable].map(\.rawValue))
        #expect(outcomes[0].errors.contains("does not know the key of this worker"))
        #expect(outcomes[1].errors.contains("the handshake fails"))
        #expect(outcomes[2].errors.contains("it wants keys"))
        try cluster.wait("the count") { ($0.live?.cluster.refusedHandshakeCount ?? 0) >= 3 }

        let status = try cluster.finish()
        #expect(status.stateHash == (try SameBitsTests.reference.get()))
        #expect(try cluster.verification().exitCode == 0)
        #expect(cluster.coordinator.errors.contains("refused"))
    }

    @Test func aClusterWithKeysSurvivesItsCoordinator() throws {
        let cluster = try cluster()

        try cluster.strikeAtRandom(61) { try $0.killCoordinator() }
        try cluster.restartCoordinator(workerCount: 2)

        let status = try cluster.finish()
        #expect(status.stateHash == (try SameBitsTests.reference.get()))
        #expect(cluster.strikes.count == 1)
    }

    @Test func withoutKeysNobodyListensWhereOthersReachIt() throws {
        let outcome = try AccordProcess.run(
            [
                "coordinator", "--config", workplace.configuration.path, "--run",
                workplace.newRun().path, "--listen", "tcp://0.0.0.0:0",
            ], logsIn: workplace.directory)

        #expect(outcome.exitCode == ExitReason.usage.rawValue)
        for word in ["accord keygen", "--keys", "--trust-network"] {
            #expect(outcome.errors.contains(word), "\(outcome.errors)")
        }
    }

    /// A worker's folder whose coordinator is that of other keys.
    private func mixedFolder(own: URL, coordinator: URL) throws -> URL {
        let folder = workplace.directory.appending(path: "keys-\(UUID())")
        try FileManager.default.copyItem(at: own.appending(path: "worker-1"), to: folder)
        let file = folder.appending(path: "coordinator.key")
        try FileManager.default.removeItem(at: file)
        try FileManager.default.copyItem(
            at: coordinator.appending(path: "worker-1/coordinator.key"), to: file)
        return folder
    }

    /// Random bytes over plain TCP connections.
    private func makeNoise(at endpoint: String, connections: Int) throws {
        let port = try #require(endpoint.split(separator: ":").last.flatMap { UInt16($0) })
        var generator = SeededGenerator(seed: 9, purpose: .testing)
        for _ in 0..<connections {
            let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
            defer { close(descriptor) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            let status = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            try #require(status == 0)
            let bytes = (0..<500).map { _ in UInt8(generator.next(below: 256)) }
            _ = send(descriptor, bytes, bytes.count, CInt(MSG_NOSIGNAL))
        }
    }
}
