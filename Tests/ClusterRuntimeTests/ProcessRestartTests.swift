// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import ClusterRuntime

@Suite struct ProcessRestartTests {
    @Test func theNextLifeHasTheSameArgumentsAndItsNumber() {
        let first = ["accord", "worker", "--coordinator", "tcp://127.0.0.1:7", "--threads", "2"]

        let second = ProcessRestart.arguments(after: first, count: 1)
        let third = ProcessRestart.arguments(after: second, count: 2)

        #expect(second == first + ["--rejoin-count", "1"])
        #expect(third == first + ["--rejoin-count", "2"])
    }
}
