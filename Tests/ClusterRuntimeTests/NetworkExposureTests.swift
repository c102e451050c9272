// SPDX-License-Identifier: Apache-2.0
import Primitives
import Testing

@testable import ClusterRuntime

/// No service on an address that others reach without keys, unless that is asked for.
@Suite struct NetworkExposureTests {
    private static let open = [
        "tcp://0.0.0.0:7077", "tcp://192.168.0.10:7077", "tcp://*:7077", "tcp://eth0:7077",
        "tcp://10.0.0.1:0", "tcp://128.0.0.1:0", "tcp://12.7.0.1:0", "tcp://127.evil.org:1",
        "tcp://:7077", "nonsense", "",
    ]
    private static let closed = ["tcp://127.0.0.1:7077", "tcp://127.1.2.3:0", "tcp://localhost:1"]

    private func coordinator(_ keys: String? = nil, trusts: Bool = false) -> CoordinatorOptions {
        CoordinatorOptions(
            configurationPath: "", runPath: "", listenEndpoint: nil, expectedWorkerCount: 1,
            keysPath: keys, trustsNetwork: trusts)
    }

    private func worker(_ keys: String? = nil, trusts: Bool = false) -> WorkerOptions {
        WorkerOptions(
            coordinatorEndpoint: "", threadCount: 1, dataDirectory: nil, giveUpAfterSeconds: 1,
            sharesMemory: true, keysPath: keys, trustsNetwork: trusts)
    }

    @Test(arguments: open) func aCoordinatorWithoutKeysDoesNotListenThere(_ endpoint: String) {
        let failure = #expect(throws: ExitFailure.self) {
            try NetworkExposure.check(listen: ["tcp://127.0.0.1:0", endpoint], coordinator())
        }
        #expect(failure?.reason == .usage)
        for word in ["accord keygen", "--keys", "--trust-network"] {
            #expect(failure?.message.contains(word) == true)
        }
    }

    @Test(arguments: open) func withKeysOrWithTrustItDoes(_ endpoint: String) throws {
        try NetworkExposure.check(listen: [endpoint], coordinator("keys"))
        try NetworkExposure.check(listen: [endpoint], coordinator(trusts: true))
    }

    @Test(arguments: closed) func onLoopbackNothingIsNeeded(_ endpoint: String) throws {
        try NetworkExposure.check(listen: [endpoint], coordinator())
    }

    @Test func aWorkerThatOthersReachNeedsKeysToo() throws {
        let failure = #expect(throws: ExitFailure.self) {
            try NetworkExposure.check(host: "192.168.0.7", worker())
        }
        #expect(failure?.reason == .usage)
        #expect(failure?.message.contains("192.168.0.7") == true)
        try NetworkExposure.check(host: "127.0.0.1", worker())
        try NetworkExposure.check(host: "192.168.0.7", worker("keys"))
        try NetworkExposure.check(host: "192.168.0.7", worker(trusts: true))
    }
}
