// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

/// Draws a scenario from a seed: how large the run is, which kinds of fault it has, how often.
///
/// Not every run has every kind: a kind that always happens hides what another one would show.
/// - Source: Groce et al. 2012, "Swarm testing"; TigerBeetle src/vopr.zig.
package struct SwarmScenario {
    /// In ticks; an undisturbed run of forty steps takes about 160.
    private static let safetyTicks = 400
    /// Long enough that workers give up a coordinator that stays away.
    private static let longSafetyTicks = 1500
    /// Within so many ticks after everything has healed the run must end.
    package static let livenessTicksMax = 12_000
    /// At least one for every so many steps.
    private static let stepsPerIncident = 10

    private var generator: SeededGenerator
    private var faults = VirtualCluster.Faults()

    /// The scenario of a seed.
    package static func scenario(_ seed: UInt64) -> Scenario {
        var swarm = SwarmScenario(
            generator: SeededGenerator(seed: seed, purpose: .testing, [1]))
        return swarm.draw(seed)
    }

    private mutating func draw(_ seed: UInt64) -> Scenario {
        var scenario = Scenario(seed: seed, workerCount: 1 + below(6))
        scenario.task = drawTask()
        scenario.hasGivenState = chance(30)
        drawWeather()
        faults.restartsWorkers = true
        faults.tellsLaneTimes = chance(50)
        faults.clockDriftPercent = below(6)
        let isLong = chance(5)
        // Some absences are longer than the silence that evicts a member, or that a worker bears.
        faults.coordinatorAbsence = isLong ? 500 + below(300) : 5 + below(60)
        faults.workerAbsence = 5 + below(40)
        faults.healTick = isLong ? Self.longSafetyTicks : Self.safetyTicks
        drawIncidents(stepCount: Int(scenario.task.stepCount))
        scenario.faults = faults
        return scenario
    }

    private mutating func below(_ bound: Int) -> Int { generator.next(below: bound) }

    private mutating func chance(_ percent: Int) -> Bool { below(100) < percent }

    // MARK: - Size

    /// One of few, so that runs share the reference to which they are compared.
    private mutating func drawTask() -> TinyTask.Configuration {
        var task = TinyTask.Configuration()
        let kind = below(12)
        var variety = SeededGenerator(seed: UInt64(kind), purpose: .testing, [3])
        task.seed = UInt64(kind)
        task.laneCount = [8, 8, 5, 16][variety.next(below: 4)]
        task.microbatchSize = 1 + variety.next(below: 3)
        // Neither a multiple of the rows of a step nor much more than them: several epochs.
        task.clipCount =
            task.laneCount * task.microbatchSize * (2 + variety.next(below: 5))
            + 1 + variety.next(below: task.laneCount)
        task.stepCount = UInt64(20 + 10 * variety.next(below: 3))
        task.checkpointEverySteps = UInt64(3 + variety.next(below: 6))
        for _ in 0..<variety.next(below: 4) {
            let step = Step(1 + UInt64(variety.next(below: Int(task.stepCount))))
            if let clip = task.firstClip(step: step, lane: variety.next(below: task.laneCount)) {
                task.unreadable.insert(clip)
            }
        }
        // The first step takes two attempts, between which the reader may change.
        if kind % 3 == 1 {
            let steps = [1, 1 + variety.next(below: Int(task.stepCount))]
            for step in steps {
                let lane = variety.next(below: task.laneCount)
                if let clip = task.firstClip(step: Step(UInt64(step)), lane: lane) {
                    task.unreadableBySome.insert(clip)
                }
            }
        }
        task.outlierSteps = [UInt64(5 + variety.next(below: 10))]
        if kind.isMultiple(of: 2) { task.notFiniteSteps = [UInt64(2 + variety.next(below: 15))] }
        return task
    }

    // MARK: - Weather

    private mutating func drawWeather() {
        func rate(_ per: inout SwarmScenario, _ most: Int) -> Int {
            per.chance(50) ? 0 : per.below(most + 1)
        }
        faults.control.lost = rate(&self, 120)
        faults.control.duplicated = rate(&self, 120)
        faults.control.delayed = rate(&self, 100)
        // A frame that is lost costs a generation, so that a few are many.
        faults.data.lost = rate(&self, 6)
        faults.data.duplicated = rate(&self, 100)
        faults.data.delayed = rate(&self, 60)
        faults.data.corrupted = rate(&self, 4)
    }

    // MARK: - Incidents

    private mutating func drawIncidents(stepCount: Int) {
        let kinds = Self.kinds.filter { _ in chance(40) }
        guard !kinds.isEmpty else { return drawIncidents(stepCount: stepCount) }
        let least = stepCount / Self.stepsPerIncident
        // Many that are short, or few that are long.
        let isMany = chance(50)
        let count = least + (isMany ? 4 + below(12) : below(4))
        for _ in 0..<count {
            let kind = kinds[below(kinds.count)]
            let ticks = isMany ? 1 + below(25) : 10 + below(120)
            let tick = 4 + below(isMany ? 200 : 130)
            faults.incidents.append(.init(tick, incident(kind, ticks)))
        }
    }

    private enum Kind: CaseIterable {
        case workerCrash, crashLoop, workerFreeze, workerSlow, workerLeave, workerJoin, pause
        case allWorkersCrash, everythingCrash
        case coordinatorCrash, coordinatorCrashInside, coordinatorFreeze
        case clockStop, diskFull, checkpointFailures, cut
    }

    private static let kinds = Kind.allCases

    private mutating func incident(_ kind: Kind, _ ticks: Int) -> VirtualCluster.Fault {
        switch kind {
        case .workerCrash: .workerCrash
        case .crashLoop: .workerCrashLoop(count: 2 + below(4))
        case .workerFreeze: .workerFreeze(ticks: ticks)
        case .workerSlow: .workerSlow(factor: 2 + below(20), ticks: ticks)
        case .workerLeave: .workerLeave
        case .workerJoin: .workerJoin
        case .pause: .pause(ticks: ticks)
        case .allWorkersCrash: .allWorkersCrash
        case .everythingCrash: .everythingCrash
        case .coordinatorCrash: .coordinatorCrash
        case .coordinatorCrashInside: coordinatorCrashInside()
        case .coordinatorFreeze: .coordinatorFreeze(ticks: ticks)
        case .clockStop: .clockStop(ticks: ticks)
        case .diskFull: .diskFull(ticks: ticks)
        case .checkpointFailures: .checkpointFailures(count: 1 + below(5))
        case .cut: .cut(drawCut(), ticks: ticks)
        }
    }

    private mutating func coordinatorCrashInside() -> VirtualCluster.Fault {
        let moments = VirtualCoordinator.PlannedCrash.Moment.allCases
        let moment = moments[below(moments.count)]
        return .coordinatorCrashInside(
            moment, after: below(moment == .betweenDirectives ? 40 : 12))
    }

    private mutating func drawCut() -> NetworkCut {
        let shape: NetworkCut.Shape =
            switch below(5) {
            case 0: .isolated(0)
            case 1: .isolated(below(8))
            case 2: .line(below(8), below(8))
            case 3: .halves(key: generator.next())
            default: .bridged(key: generator.next(), bridge: below(8))
            }
        let directions: [NetworkCut.Direction] = [.both, .both, .outwards, .inwards]
        let planes: [NetworkCut.Planes] = [.both, .both, .control, .data]
        return NetworkCut(
            shape: shape, direction: directions[below(4)], planes: planes[below(4)],
            holdsBack: chance(50))
    }
}
