// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Foundation
import Logging
import Primitives
import SharedMemory

/// A worker's tie to the others of its machine: hands out its segment, takes theirs, wakes them.
///
/// Isolation: the data-plane thread.
final class MachineLink {
    private let run: RunID
    private let worker: WorkerID
    private let memory: WorkerMemory
    private let doorbell: Doorbell
    private var known: [WorkerID: NeighbourMemory] = [:]
    /// Workers that have the own segment.
    private var served: Set<WorkerID> = []
    /// Whose segments have come since the last generation was configured: perhaps for the next one.
    private var recent: Set<WorkerID> = []
    private let logger: Logger
    /// By rank, those of the generation.
    private var neighbours: [Int: WorkerID] = [:]

    init(
        run: RunID, worker: WorkerID, memory: WorkerMemory, logger: Logger
    ) throws(SharedMemoryFailure) {
        self.logger = logger
        self.run = run
        self.worker = worker
        self.memory = memory
        doorbell = try Doorbell(name: Self.doorbellName(of: worker))
    }

    private static func doorbellName(of worker: WorkerID) -> String { "accord-\(worker)" }

    var descriptor: CInt { doorbell.descriptor }

    /// - Parameter neighbours: by rank, the other workers of this machine.
    /// - Throws: as `exchangeSegments`.
    func configure(_ neighbours: [Int: WorkerID]) throws(SharedMemoryFailure) {
        self.neighbours = neighbours
        let workers = Set(neighbours.values).union(recent)
        known = known.filter { workers.contains($0.key) }
        recent = []
        // Again to all: a generation without this worker has forgotten its segment.
        served = []
        try exchangeSegments()
    }

    /// All segments of the generation, by rank; nil while one is missing.
    var segments: [Int: NeighbourMemory]? {
        let segments = neighbours.compactMapValues { known[$0] }
        return segments.count == neighbours.count ? segments : nil
    }

    /// By rank, those whose segments have not come.
    var missing: [Int: WorkerID] { neighbours.filter { known[$0.value] == nil } }

    /// Some neighbour has not got the own segment: its doorbell was full.
    var hasUnserved: Bool { served.count < neighbours.count }

    /// Sends the own segment to those that lack it and takes what has come.
    /// - Throws: when there is no memory for it, or no descriptor: this worker would keep all
    ///   others waiting.
    func exchangeSegments() throws(SharedMemoryFailure) {
        for neighbour in neighbours.values where !served.contains(neighbour) {
            let name = Self.doorbellName(of: neighbour)
            // One that is gone is left out of the next generation.
            if doorbell.ring(name, greeting, handing: memory.segment) != .refused {
                served.insert(neighbour)
            }
        }
        while let ring = doorbell.take() { try accept(ring) }
    }

    private var greeting: [UInt8] {
        var writer = ByteWriter()
        writer.write(run.value)
        writer.write(worker.value)
        return writer.bytes
    }

    private func accept(_ ring: Doorbell.Ring) throws(SharedMemoryFailure) {
        guard ring.segment != nil || ring.lacksDescriptor else { return }
        do {
            // The first counts: a worker has one segment for life.
            guard let sender = try sender(ring.bytes), known[sender] == nil else { return }
            guard let segment = ring.segment else {
                throw SharedMemoryFailure(operation: "take a segment", code: EMFILE)
            }
            known[sender] = try NeighbourMemory(segment, memory.layout)
            recent.insert(sender)
        } catch let failure as SharedMemoryFailure where failure.isLack {
            throw failure
        } catch {
            logger.warning("a segment of another process cannot be used: \(error)")
        }
    }

    /// Nil if the greeting is of another run.
    private func sender(_ greeting: [UInt8]) throws(MalformedBytes) -> WorkerID? {
        var reader = ByteReader(greeting)
        let isOwn = try reader.read(UInt64.self, "run") == run.value
        let sender = WorkerID(try reader.read(UInt64.self, "worker"))
        try reader.expectEnd("greeting")
        return isOwn ? sender : nil
    }

    // MARK: - Waiting

    private func waitingWord(_ base: UnsafeRawPointer) -> SharedWord {
        SharedWord(base + memory.layout.waitingOffset)
    }

    /// From now on neighbours ring when they have changed something. What they have changed before
    /// is seen by a look after this call.
    func announceWaiting() {
        waitingWord(memory.mapping.base).store(1)
        SharedWord.fence()
    }

    func announceAwake() { waitingWord(memory.mapping.base).store(0) }

    /// Wakes the neighbours that wait, after something has changed for them.
    func ringNeighbours() {
        SharedWord.fence()
        for worker in neighbours.values {
            guard let neighbour = known[worker], waitingWord(neighbour.base).load() == 1 else {
                continue
            }
            // A doorbell that is full wakes as well, and who is gone is not waited for.
            _ = doorbell.ring(Self.doorbellName(of: worker))
        }
    }
}
