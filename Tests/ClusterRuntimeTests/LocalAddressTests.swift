// SPDX-License-Identifier: Apache-2.0
import Primitives
import Testing

@testable import ClusterRuntime

@Suite struct LocalAddressTests {
    @Test(arguments: ["tcp://127.0.0.1:7077", "tcp://127.0.0.9:1", "tcp://localhost:65535"])
    func thisMachineIsReachedFromItsLoopback(_ endpoint: String) throws {
        #expect(try LocalAddress.reaching(endpoint) == "127.0.0.1")
    }

    @Test(arguments: [
        "", "tcp://", "127.0.0.1:7077", "udp://127.0.0.1:7077", "tcp://127.0.0.1", "tcp://:7077",
        "tcp://127.0.0.1:", "tcp://127.0.0.1:0", "tcp://127.0.0.1:65536", "tcp://127.0.0.1:-1",
        "tcp://127.0.0.1:http", "tcp://127.0.0.1:+1", "tcp://1:2:3",
    ])
    func whatIsNoEndpointIsAnErrorOfUsage(_ endpoint: String) {
        let failure = #expect(throws: ExitFailure.self) { try LocalAddress.reaching(endpoint) }
        #expect(failure?.reason == .usage)
        #expect(failure?.message.hasPrefix("\(endpoint) is no endpoint; it looks like ") == true)
    }

    /// The domain is reserved for names that do not exist.
    /// - Source: RFC 6761, section 6.4.
    @Test func aHostThatNobodyKnowsIsNamed() {
        let failure = #expect(throws: ExitFailure.self) {
            try LocalAddress.reaching("tcp://head.invalid:7077")
        }
        #expect(failure?.reason == .clusterUnreachable)
        #expect(failure?.message.contains("head.invalid") == true)
    }
}
