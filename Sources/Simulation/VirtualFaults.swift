// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

extension VirtualCluster {
    package struct Faults {
        /// Of control messages, in per cent.
        package var lostPercent = 0
        package var doubledPercent = 0
        /// Of results that a member of an exchange waits for, in per mille.
        package var lostResultsPerMille = 0
        /// Steps whose sums reach nobody in so many generations, one after the other.
        package var lostExchanges: [UInt64: Int] = [:]
        /// Steps, with the ticks for which their first lane is computed.
        package var slowLanes: [UInt64: Int] = [:]
        /// What every exchange takes at least.
        package var exchangeTicks = 0
        /// What fetching a state takes at least.
        package var stateTicks = 0
        /// Moments at which a random worker dies without a word; another comes 20 ticks later.
        package var workerDeaths: [Int] = []
        /// Moments at which a random worker is asked to end; another comes 40 ticks later.
        package var retirements: [Int] = []
        /// Moments at which the run is paused, for so many ticks.
        package var pauses: [(moment: Int, ticks: Int)] = []
        /// Moments at which one more worker starts.
        package var lateWorkers: [Int] = []
        /// Moments at which the coordinator dies; it is restarted 15 ticks later.
        package var coordinatorDeaths: [Int] = []
        package var coordinatorAbsence = 15
        /// Steps whose first attempt does not fit its scales.
        package var secondAttempts: Set<UInt64> = []
        /// Clips that cannot be read, with the lane that meets them.
        package var unreadable: [MaskedClip: Int] = [:]

        package init() {}
    }

    /// What really happened.
    package struct Counts {
        package var lost = 0
        package var doubled = 0
        package var lostResults = 0
        package var lostExchanges = 0
        package var slowLanes = 0
        package var workerDeaths = 0
        package var coordinatorDeaths = 0
        package var brokenConnections = 0
        package var retirements = 0
        package var pauses = 0
        package var sightings = 0
        package var secondAttempts = 0
        package var joined = 0
        package var catchUps: [String: Int] = [:]
        /// Snapshots that one worker kept at a time.
        package var snapshotsMax = 0
        /// Lanes computed, of all workers.
        package var lanes = 0
    }
}
