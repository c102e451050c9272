// SPDX-License-Identifier: Apache-2.0
import Datasets
import Primitives
import Testing
import Training

@Suite struct RunPlanTests {
    /// Epochs times ceil(clips / (lanes x rows)).
    @Test(arguments: [(1, 10), (64, 10), (65, 20), (1000, 160)])
    func aRunHasWholeEpochs(clipCount: Int, stepCount: Int) {
        #expect(RunConfiguration().stepCount(clipCount: clipCount) == stepCount)
    }

    @Test func theLastStepEndsTheLastEpoch() {
        let configuration = RunConfiguration()
        let order = configuration.sampleOrder(clipCount: 65)
        let last = Step(UInt64(configuration.stepCount(clipCount: 65)))

        #expect(order.position(of: last).epoch == configuration.epochCount - 1)
        #expect(order.position(of: last.next).epoch == configuration.epochCount)
    }
}
