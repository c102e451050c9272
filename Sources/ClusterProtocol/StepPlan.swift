// SPDX-License-Identifier: Apache-2.0
import Primitives

/// What a member has to fetch before it can go on.
package enum CatchUp: Hashable, Codable, Sendable {
    case none
    /// Starts from the seed; nobody has any state.
    case initialState
    /// Missed the results of some steps up to the base; each of these peers serves them.
    case fetchReduced(from: [PeerAddress])
    /// Has no state; each of these peers, or the coordinator, serves the whole state of the base.
    case fetchState(from: [PeerAddress])
}

/// How a generation goes on: where it stands and who computes what.
package struct StepPlan: Hashable, Codable, Sendable {
    package let generation: Generation
    /// In order of rank.
    package let members: [Member]
    /// The step that everybody has applied once all have caught up.
    package let base: Step
    /// Of step base + 1.
    package let attempt: Int
    /// The remembered exponents of a second attempt; empty in the first.
    package let attemptScales: [UInt8]
    /// By rank.
    package let catchUp: [CatchUp]
    /// Lanes of step base + 1 by rank: holders keep what they have computed.
    package let inFlightLanes: [[Int]]
    /// Lanes of all later steps by rank.
    package let steadyLanes: [[Int]]
    /// Clips masked at steps after the base.
    package let masked: [MaskedClip]

    package init(
        generation: Generation, members: [Member], base: Step, attempt: Int,
        attemptScales: [UInt8], catchUp: [CatchUp], inFlightLanes: [[Int]],
        steadyLanes: [[Int]], masked: [MaskedClip]
    ) {
        self.generation = generation
        self.members = members
        self.base = base
        self.attempt = attempt
        self.attemptScales = attemptScales
        self.catchUp = catchUp
        self.inFlightLanes = inFlightLanes
        self.steadyLanes = steadyLanes
        self.masked = masked
    }

    package func rank(of worker: WorkerID) -> Int? {
        members.firstIndex { $0.worker == worker }
    }

    /// By rank, a number that members who share memory have in common.
    package var machineOfRank: [Int] {
        members.indices.map { rank in
            members.firstIndex { $0.sharesMemory(with: members[rank]) } ?? rank
        }
    }

    package func lanes(of rank: Int, at step: Step) -> [Int] {
        step == base.next ? inFlightLanes[rank] : steadyLanes[rank]
    }
}

extension StepPlan {
    func write(to writer: inout ByteWriter) {
        writer.write(generation.number)
        writer.write(each: members) { $1.write(to: &$0) }
        writer.write(base.number)
        writer.write(UInt8(attempt))
        writer.write(block: attemptScales)
        writer.write(each: catchUp) { Self.write($1, to: &$0) }
        for lanes in [inFlightLanes, steadyLanes] {
            writer.write(each: lanes) { writer, lanes in
                writer.write(each: lanes) { $0.write(UInt32($1)) }
            }
        }
        writer.write(each: masked) { $1.write(to: &$0) }
    }

    init(from reader: inout ByteReader) throws(MalformedBytes) {
        generation = try reader.readGeneration("generation")
        members = try reader.readEach("members", elementBytesMin: 24) {
            reader throws(MalformedBytes) in try Member(from: &reader)
        }
        base = try reader.readStep("base step")
        attempt = Int(try reader.read(UInt8.self, "attempt"))
        attemptScales = try reader.readBlock("attempt scales")
        guard (1...2).contains(attempt), attemptScales.isEmpty == (attempt == 1) else {
            throw reader.failure(
                "attempt scales", "\(attemptScales.count) of attempt \(attempt)")
        }
        catchUp = try reader.readEach("catch up") {
            reader throws(MalformedBytes) in try Self.readCatchUp(&reader)
        }
        inFlightLanes = try Self.readLanes(&reader)
        steadyLanes = try Self.readLanes(&reader)
        masked = try reader.readEach("masked clips", elementBytesMin: 16) {
            reader throws(MalformedBytes) in try MaskedClip(from: &reader)
        }
        let counts = [catchUp.count, inFlightLanes.count, steadyLanes.count]
        guard counts.allSatisfy({ $0 == members.count }) else {
            throw MalformedBytes(
                field: "step plan", offset: 0, rule: "\(counts) entries for \(members.count)")
        }
    }

    private static func write(_ catchUp: CatchUp, to writer: inout ByteWriter) {
        switch catchUp {
        case .none: writer.write(UInt8(0))
        case .initialState: writer.write(UInt8(1))
        case .fetchReduced(let peers):
            writer.write(UInt8(2))
            writer.write(each: peers) { $1.write(to: &$0) }
        case .fetchState(let peers):
            writer.write(UInt8(3))
            writer.write(each: peers) { $1.write(to: &$0) }
        }
    }

    private static func readCatchUp(
        _ reader: inout ByteReader
    ) throws(MalformedBytes) -> CatchUp {
        switch try reader.read(UInt8.self, "catch up") {
        case 0: return .none
        case 1: return .initialState
        case 2: return .fetchReduced(from: try reader.readAddresses("peers"))
        case 3: return .fetchState(from: try reader.readAddresses("peers"))
        case let kind:
            throw MalformedBytes(field: "catch up", offset: 0, rule: "\(kind) is unknown")
        }
    }

    private static func readLanes(
        _ reader: inout ByteReader
    ) throws(MalformedBytes) -> [[Int]] {
        try reader.readEach("lanes of ranks", elementBytesMin: 4) {
            reader throws(MalformedBytes) in
            try reader.readEach("lanes", elementBytesMin: 4) {
                reader throws(MalformedBytes) in Int(try reader.read(UInt32.self, "lane"))
            }
        }
    }
}
