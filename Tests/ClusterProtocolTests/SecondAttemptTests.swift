// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives
import Testing

/// Plans that begin in the midst of a step that needs two attempts.
@Suite struct SecondAttemptTests {
    private static func plan(_ cluster: inout RestoredCluster) -> StepPlan? {
        cluster.takeHeard().lazy.compactMap {
            if case .persist(.plan(let plan)) = $0 { plan } else { nil }
        }.first
    }

    private static func preparing(_ numbers: [UInt64]) -> RestoredCluster {
        var cluster = RestoredCluster(numbers)
        cluster.hear(.leave(reason: "asked to end"), from: numbers.last ?? 0)
        _ = cluster.takeHeard()
        return cluster
    }

    @Test func oneThatHasBegunTheSecondAttemptBringsTheScales() {
        var cluster = Self.preparing([1, 2, 3])
        cluster.ready([1], generation: 2, heldLanes: [0, 1])
        cluster.ready([2], generation: 2, scales: [9, 8], heldLanes: [2, 3])

        let plan = Self.plan(&cluster)
        #expect(plan?.attempt == 2)
        #expect(plan?.attemptScales == [9, 8])
        #expect(plan?.inFlightLanes[1].contains(2) == true)
    }

    /// They follow from exact sums, so somebody is wrong; what either has computed counts for
    /// nothing.
    @Test(arguments: [[9, 8, 7], [9], [9, 7]] as [[UInt8]])
    func ofScalesThatDifferNoneAreTaken(_ others: [UInt8]) {
        var cluster = Self.preparing([1, 2, 3])
        cluster.ready([1], generation: 2, scales: others, heldLanes: [0, 1, 2, 3])
        cluster.ready([2], generation: 2, scales: [9, 8], heldLanes: [2, 3])

        let plan = Self.plan(&cluster)
        #expect(plan?.attempt == 1)
        #expect(plan?.attemptScales == [])
        #expect(plan?.inFlightLanes == [[0, 2], [1, 3]])
    }
}
