// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Primitives

/// The data plane of a worker: which frames count, and what follows from them. The rules are those
/// of `DataPlaneLoop`, without its thread and its sockets.
final class VirtualDataPlane {
    /// A frame on its way, as it lies in the memory of the sender.
    struct Wire {
        var header: [UInt8]
        var payload: SharedBytes
        let frame: ExchangeFrame
    }

    /// What the rest of the worker does for it.
    struct Surroundings {
        let now: () -> Int
        let send: (Wire, _ endpoint: String) -> Void
        /// A frame has reached the exchange of a membership.
        let onAccepted: (ExchangeFrame, Generation) -> Void
        let onCompleted: (VirtualMembership.Completion) -> Void
        /// Something that must not be, unless a peer is broken.
        let onFailed: (String) -> Void
    }

    static let run = RunID(1)

    private let task: TinyTask
    private let memory: ExchangeVectors
    private let surroundings: Surroundings
    private(set) var membership: VirtualMembership?
    /// Frames of generations that this worker has not begun.
    private(set) var early: [ExchangeFrame] = []
    private var abandoned = Generation.none
    private(set) var drops = ExchangeTimes.Drops()
    /// Planted by tests: takes frames of older generations for frames of its own.
    var takesOldFrames = false

    init(_ task: TinyTask, _ memory: ExchangeVectors, _ surroundings: Surroundings) {
        self.task = task
        self.memory = memory
        self.surroundings = surroundings
    }

    /// All sums and reports, twice, are what can be on its way here for a new generation.
    private var earlyCountMax: Int { 2 * (4 * task.elementCount / 64 + 64) }

    // MARK: - Commands

    func configure(_ plan: StepPlan, rank: Int) {
        membership = VirtualMembership(plan, rank: rank, task, memory)
        let frames = early
        early = []
        for frame in frames { accept(frame) }
    }

    func abandon() {
        abandoned = membership?.generation ?? abandoned
        membership = nil
    }

    func open(_ key: ExchangeKey, _ expectation: Int) {
        membership?.open(key, expectation)
        advance()
    }

    func finish(_ tensors: [LaneAccumulator.FinalTensor]) {
        for tensor in tensors { membership?.finish(tensor) }
        advance()
    }

    func start(_ key: ExchangeKey, _ contribution: LaneAccumulator.Contribution) {
        guard let membership else { return }
        send(membership.start(key, contribution, now: surroundings.now()), key)
        advance()
    }

    // MARK: - Frames

    func receive(header: [UInt8], payload: SharedBytes) {
        do {
            accept(try ExchangeFrame(decoding: header, payload: payload))
        } catch {
            drops.malformed += 1
        }
    }

    private func accept(_ frame: ExchangeFrame) {
        let generation = frame.key.generation
        guard frame.run == Self.run else { return drops.stale += 1 }
        if takesOldFrames, let membership, generation < membership.generation {
            return take(frame, as: membership.generation, membership)
        }
        guard generation > abandoned else { return drops.stale += 1 }
        if membership == nil || generation > (membership?.generation ?? .none) {
            if early.count < earlyCountMax { early.append(frame) } else { drops.stale += 1 }
            return
        }
        guard let membership, generation == membership.generation,
            membership.isAhead(frame.key.accumulation)
        else { return drops.stale += 1 }
        take(frame, as: generation, membership)
    }

    private func take(
        _ frame: ExchangeFrame, as generation: Generation, _ membership: VirtualMembership
    ) {
        guard membership.isPossible(frame.key.accumulation) else { return drops.malformed += 1 }
        var taken = frame
        if frame.key.generation != generation {
            taken = ExchangeFrame(
                run: frame.run,
                key: ExchangeKey(generation: generation, accumulation: frame.key.accumulation),
                part: frame.part, payload: frame.payload)
        }
        switch membership.accept(taken) {
        case .accepted(let outgoing):
            surroundings.onAccepted(frame, membership.generation)
            send(outgoing, taken.key)
        case .duplicate: drops.duplicate += 1
        case .malformed: drops.malformed += 1
        }
        advance()
    }

    /// Goes on as far as possible: gathers, sends, completes.
    private func advance() {
        guard let membership else { return }
        do {
            var outgoing = try membership.advance()
            while !outgoing.isEmpty {
                for (key, parts) in outgoing { send(parts, key) }
                outgoing = try membership.advance()
            }
            if let completion = try membership.takeCompletion(now: surroundings.now()) {
                surroundings.onCompleted(completion)
            }
        } catch let mismatch as TreeExchange.LaneMismatch {
            surroundings.onFailed(
                "lanes \(mismatch.lanes) were exchanged instead of each of "
                    + "\(mismatch.laneCount) once")
        } catch {
            surroundings.onFailed("\(error)")
        }
    }

    private func send(_ outgoing: [TreeExchange.Outgoing], _ key: ExchangeKey) {
        guard let membership else { return }
        for part in outgoing {
            let frame = part.frame(
                run: Self.run, key: key, isPacked: membership.isPacked(key))
            let wire = Wire(header: frame.encodeHeader(), payload: frame.payload, frame: frame)
            for rank in part.targetRanks {
                surroundings.send(wire, membership.plan.members[rank].dataEndpoint)
            }
        }
    }
}
