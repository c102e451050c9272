// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

/// The shell of a worker, as far as the protocol can tell.
final class VirtualWorker {
    struct Lane: Hashable {
        let step: Step
        let attempt: Int
        let lane: Int
    }

    struct Accumulator {
        let step: Step
        let attempt: Int
        var lanes: [Int] = []
    }

    let id: WorkerID
    let endpoint: String
    var core: WorkerCore
    var plan: StepPlan?
    var rank = 0
    var accumulator: Accumulator?
    var exchange: Exchange.Key?
    var masked: Set<MaskedClip> = []
    /// Lanes that wait for leave to leave out a clip.
    var waiting: [MaskedClip: [Lane]] = [:]
    var snapshots: [Step: [UInt8]] = [:]
    private(set) var applied = Step.initial
    /// Stands for all parameters: depends on every step before.
    private var state = VirtualWorker.initialState

    init(number: Int, threadCount: Int) {
        id = WorkerID(UInt64(number))
        endpoint = "worker \(number)"
        core = WorkerCore(
            .init(
                member: Member(
                    worker: id, dataEndpoint: "", threadCount: threadCount, hostName: "host",
                    processIdentifier: Int32(number)),
                numericClass: "virtual", coordinatorEndpoint: "coordinator",
                coordinatorSilenceTicksMax: 600))
    }

    static let initialState: UInt64 = 0x9e37_79b9_7f4a_7c15

    static func state(after state: UInt64, step: Step) -> UInt64 {
        (state ^ step.number) &* 0xd134_2543_de82_ef95 &+ 1
    }

    /// What every worker must have after a step.
    static func state(at step: Step) -> UInt64 {
        (1...max(1, step.number)).reduce(initialState) { state, number in
            number > step.number ? state : self.state(after: state, step: Step(number))
        }
    }

    static func state(_ hash: [UInt8]) -> UInt64 { hash.reduce(0) { $0 << 8 | UInt64($1) } }

    static func hash(_ state: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: state >> (56 - 8 * $0)) }
    }

    var hash: [UInt8] { Self.hash(state) }

    /// The step whose reduced result it can serve in any case.
    private(set) var result: Step?
    /// It serves the results of all later steps, too.
    var historyStart: Step?

    func serves(_ step: Step) -> Bool {
        step == result || step <= applied && historyStart.map { step > $0 } == true
    }

    func apply(_ step: Step) {
        result = step
        state = Self.state(after: state, step: step)
        applied = step
    }

    func install(state: UInt64, step: Step) {
        self.state = state
        applied = step
        result = nil
        accumulator = nil
    }

    /// False when the accumulator has moved on.
    func accumulate(_ lane: Lane) -> Bool {
        guard accumulator?.step == lane.step, accumulator?.attempt == lane.attempt else {
            return false
        }
        accumulator?.lanes.append(lane.lane)
        return true
    }
}

/// The lanes that each rank has brought to one all-reduce.
struct Exchange {
    struct Key: Hashable {
        let generation: Generation
        let step: Step
        let attempt: Int
    }

    var lanes: [Int: [Int]] = [:]
}
