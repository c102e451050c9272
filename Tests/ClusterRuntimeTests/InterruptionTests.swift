// SPDX-License-Identifier: Apache-2.0
import Primitives
import Testing

@testable import ClusterRuntime

@Suite struct InterruptionTests {
    @Test func whoInterruptsLearnsHowToGoOn() {
        let failure = ExitFailure(.interrupted, "interrupted; step 12 is safe").sayingHowToGoOn

        #expect(failure.reason == .interrupted)
        #expect(failure.message == "interrupted; step 12 is safe; the same command resumes")
    }

    @Test func anyOtherEndSaysItsOwn() {
        let failure = ExitFailure(.evicted, "silent for 3 s")

        #expect(failure.sayingHowToGoOn == failure)
    }
}
