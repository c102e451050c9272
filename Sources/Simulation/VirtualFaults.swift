// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

extension VirtualCluster {
    /// What goes wrong in a run, and when. Moments are in ticks.
    package struct Faults {
        package var control = VirtualNetwork.Weather()
        package var data = VirtualNetwork.Weather()
        /// Steps whose sums reach nobody in so many generations, one after the other.
        package var lostExchanges: [UInt64: Int] = [:]
        /// Steps, with the ticks for which the lane that is begun first is computed.
        package var slowLanes: [UInt64: Int] = [:]
        /// Whether workers tell what their lanes take, so that lanes go to faster workers.
        package var tellsLaneTimes = false
        /// Units of virtual time that a lane takes.
        package var laneUnits = 10...70
        /// What every exchange takes at least.
        package var exchangeTicks = 0
        /// What fetching a state takes a worker at least.
        package var stateTicks = 0
        /// Of a coordinator that has died, until it is started again.
        package var coordinatorAbsence = 15
        /// Of a worker that has died, until another comes in its place.
        package var workerAbsence = 20
        /// Whether a worker that has ended otherwise than in success is started again.
        package var restartsWorkers = false
        /// Clocks differ by up to so many per cent.
        package var clockDriftPercent = 0
        package var incidents: [Incident] = []
        /// From here on nothing goes wrong any more, and the run must end.
        package var healTick: Int?

        package init() {}
    }

    /// A fault at a moment.
    package struct Incident {
        package var tick: Int
        package var fault: Fault

        package init(_ tick: Int, _ fault: Fault) {
            self.tick = tick
            self.fault = fault
        }
    }

    package enum Fault {
        /// A random worker dies without a word; another comes.
        case workerCrash
        /// Dies so many times, each time soon after it has come back.
        case workerCrashLoop(count: Int)
        case workerFreeze(ticks: Int)
        case workerSlow(factor: Int, ticks: Int)
        /// A random worker is told to end in order; another comes.
        case workerLeave
        case workerJoin
        /// The run stands still by command.
        case pause(ticks: Int)
        case allWorkersCrash
        case everythingCrash
        case coordinatorCrash
        case coordinatorFreeze(ticks: Int)
        /// In the midst of what it does, after so many directives or records.
        case coordinatorCrashInside(VirtualCoordinator.PlannedCrash.Moment, after: Int)
        /// A random process, the coordinator among them, gets no ticks.
        case clockStop(ticks: Int)
        case diskFull(ticks: Int)
        /// So many checkpoints cannot be published.
        case checkpointFailures(count: Int)
        /// - Parameter node: of the shape, if it names one: the n-th process that lives then; the
        ///   second one of a line counts the others from there on.
        case cut(NetworkCut, ticks: Int)
    }

    /// What was seen in a run.
    package struct Counts {
        package var faults = FaultCounts()
        package var joined = 0
        package var catchUps: [String: Int] = [:]
        /// Snapshots that one worker kept at a time.
        package var snapshotsMax = 0
        /// Lanes computed, of all workers.
        package var lanes = 0
        /// Second attempts, of all workers.
        package var secondAttempts = 0
        /// Frames that reached no sum.
        package var drops = ExchangeTimes.Drops()
        /// Connections that broke because a process died.
        package var lostConnections = 0
        /// Signs of life that peers have got of workers for the coordinator.
        package var sightings = 0
        package var coordinatorLives = 0
        package var workerLives = 0
    }
}
