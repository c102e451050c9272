// SPDX-License-Identifier: Apache-2.0
import Collectives
import Primitives
import Testing

/// Ranks on virtual machines in one loop: chunks become ready, neighbours look at each other and
/// frames are delivered in a seeded order, some of them twice.
struct ExchangeWorld {
    struct Shape: CustomTestStringConvertible {
        var schedule = ExchangeSchedule.Shape.direct
        /// By rank.
        var machines: [Int]
        var elementCount: Int
        var chunkElements: Int

        var testDescription: String {
            "\(schedule), ranks on machines \(machines), \(elementCount) / \(chunkElements)"
        }
    }

    private struct Frame {
        let target: Int
        let part: TreeExchange.Part
        let payload: SharedBytes
        let packed: SharedBytes?
    }

    enum PackedOnTheWay {
        case partial, ownTotal
        /// As it came.
        case passedOnTotal
    }

    static let laneCount = 20
    static let key = AccumulationKey(step: Step(1), attempt: 1)
    static let scale: UInt8 = 133

    let shape: Shape
    let accumulators: [LaneAccumulator]
    /// What neighbours see of the accumulators: nonsense where nothing was contributed yet.
    private let visible: [IntVector]
    private let chunks: ChunkPlan
    private let schedule: ExchangeSchedule
    let exchanges: [TreeExchange]
    private var inFlight: [Frame] = []
    private(set) var duplicateCount = 0
    private(set) var frameCount = 0
    /// Sums that were packed, or came so, before they were sent.
    private(set) var packedCounts: [PackedOnTheWay: Int] = [
        .partial: 0, .ownTotal: 0, .passedOnTotal: 0,
    ]

    init(_ shape: Shape) throws {
        self.shape = shape
        let worldSize = shape.machines.count
        let chunks = ChunkPlan(
            elementCount: shape.elementCount, chunkElements: shape.chunkElements)
        let schedule = ExchangeSchedule(
            shape: shape.schedule, chunkCount: chunks.chunkCount, machineOfRank: shape.machines)
        accumulators = try (0..<worldSize).map {
            try Self.accumulator(
                lanes: Array(stride(from: $0, to: Self.laneCount, by: worldSize)), shape)
        }
        let machines = schedule.machines.map { _ in
            VirtualMachine(elementCount: shape.elementCount)
        }
        let visible = accumulators.map { _ in IntVector(count: shape.elementCount) }
        for vector in visible { vector.pointer.update(repeating: 1 << 20, count: vector.count) }
        self.visible = visible
        self.chunks = chunks
        self.schedule = schedule
        exchanges = accumulators.indices.map { rank in
            let machine = machines[schedule.machine(of: rank)]
            return TreeExchange(
                rank: rank, chunks: chunks, schedule: schedule,
                memory: VirtualMemory(machine, rank: rank, accumulator: visible[rank]),
                tensorCount: 1)
        }
    }

    private static func accumulator(lanes: [Int], _ shape: Shape) throws -> LaneAccumulator {
        let accumulator = LaneAccumulator(
            rule: ExactSums(laneCount: laneCount), tensors: [0..<shape.elementCount],
            sums: IntVector(count: shape.elementCount))
        accumulator.reset(for: key, scales: [scale])
        for lane in lanes {
            try accumulator.add(
                lane: lane, key: key, gradient: gradient(lane, shape.elementCount),
                report: [UInt8(lane)])
        }
        return accumulator
    }

    static func gradient(_ lane: Int, _ count: Int) -> [Float] {
        (0..<count).map { Float((lane + 1) * 10 + $0) }
    }

    /// The plain sum that every rank must have, in quanta.
    var oracle: [Int32] {
        let scale = ExactSums(laneCount: Self.laneCount).inverseQuantum(remembered: Self.scale)
        return (0..<shape.elementCount).map { element in
            (0..<Self.laneCount).reduce(0) {
                $0 + Int32(Self.gradient($1, shape.elementCount)[element] * scale)
            }
        }
    }

    /// Everything that can happen happens, once all ranks have contributed.
    mutating func run(_ generator: inout SeededGenerator) throws {
        var waiting = Array(exchanges.indices)
        var isIdle = Set<Int>()
        while !waiting.isEmpty || !inFlight.isEmpty || isIdle.count < exchanges.count {
            let rank = generator.next(below: exchanges.count)
            switch generator.next(below: 4) {
            case 0 where !waiting.isEmpty:
                isIdle = []
                contribute(waiting.remove(at: generator.next(below: waiting.count)))
            case 1:
                contributeSomeChunks(rank, &generator, isWaiting: waiting.contains(rank))
            case 2 where !inFlight.isEmpty:
                isIdle = []
                deliver(&generator)
            default:
                let (outgoing, hasChanged) = try exchanges[rank].advance(
                    chunksMax: 1 + generator.next(below: 3))
                send(outgoing)
                if hasChanged { isIdle = [] } else { isIdle.insert(rank) }
            }
        }
    }

    private mutating func contribute(_ rank: Int) {
        for chunk in 0..<chunks.chunkCount { show(chunk, of: rank) }
        send(exchanges[rank].contribute(accumulators[rank].contribution()))
    }

    private mutating func send(_ outgoing: [TreeExchange.Outgoing]) {
        inFlight += outgoing.flatMap { frame in
            frame.targetRanks.map {
                Frame(
                    target: $0, part: frame.part, payload: frame.payload, packed: frame.packed)
            }
        }
        for frame in outgoing {
            guard let packed = frame.packed else { continue }
            let machine = schedule.machine(of: frame.part.sourceRank)
            let isRoot = schedule.parent(of: machine, chunk: frame.part.chunk) == nil
            let isTotal = frame.part.phase == .total
            packedCounts[isRoot ? .ownTotal : isTotal ? .passedOnTotal : .partial, default: 0] += 1
            #expect(packed.copy() == PackedSums.pack(frame.payload).copy())
        }
    }

    /// Before its reports, as with sums of tensors that are complete early.
    private func contributeSomeChunks(
        _ rank: Int, _ generator: inout SeededGenerator, isWaiting: Bool
    ) {
        guard isWaiting, shape.elementCount > 0 else { return }
        let chunk = generator.next(below: chunks.chunkCount)
        show(chunk, of: rank)
        exchanges[rank].contribute([chunk])
    }

    private func show(_ chunk: Int, of rank: Int) {
        for element in chunks.elements(of: chunk) {
            visible[rank].pointer[element] = accumulators[rank].sums.pointer[element]
        }
    }

    private mutating func deliver(_ generator: inout SeededGenerator) {
        let index = generator.next(below: inFlight.count)
        let frame =
            generator.nextBool(probability: 0.2) ? inFlight[index] : inFlight.remove(at: index)
        frameCount += 1
        let isPacked = frame.part.phase != .reports && generator.nextBool(probability: 0.4)
        let outcome = exchanges[frame.target].accept(
            frame.part,
            payload: isPacked ? frame.packed ?? PackedSums.pack(frame.payload) : frame.payload,
            isPacked ? .packed : .plain)
        switch outcome {
        case .accepted(let more): send(more)
        case .duplicate: duplicateCount += 1
        case .malformed(let reason): Issue.record("\(frame.part): \(reason)")
        }
    }
}

extension LaneAccumulator {
    /// Adds a lane whose gradient is one tensor in one piece.
    func add(lane: Int, key: AccumulationKey, gradient: [Float], report: [UInt8]) throws {
        let lane = try #require(self.open(lane: lane, key: key))
        lane.add(gradient, tensor: 0, elements: 0..<gradient.count)
        #expect(lane.close(report: report))
    }
}
