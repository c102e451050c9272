// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Primitives

extension VirtualCluster {
    /// A fetch gives up when nothing has come for so long.
    private static let fetchTicksMax = 100

    // MARK: - Control plane

    func deliver(_ message: CoordinatorMessage, to worker: WorkerID) {
        guard let decoded = survivor({ try CoordinatorMessage(decoding: message.encode()) }),
            decoded == message
        else { return fail("\(message) does not survive its coding") }
        send(.control, from: 0, to: Int(worker.value)) { [unowned self] _ in
            guard let worker = workers[worker] else { return }
            worker.run { [unowned self] in tell(worker, .received(decoded)) }
        }
    }

    func deliver(_ message: WorkerMessage, from worker: VirtualWorker) {
        guard let decoded = survivor({ try WorkerMessage(decoding: message.encode()) }),
            decoded == message
        else { return fail("\(message) does not survive its coding") }
        send(.control, from: worker.node, to: 0) { [unowned self] _ in
            coordinator?.run { [unowned self] in tell(.received(decoded, from: worker.id)) }
        }
    }

    private func survivor<Value>(_ decode: () throws -> Value) -> Value? {
        do { return try decode() } catch { return nil }
    }

    func send(
        _ plane: Plane, from source: Int, to target: Int,
        _ action: @escaping (VirtualNetwork.Arrival) -> Void
    ) {
        let passage = Passage(plane: plane, source: source, target: target)
        for arrival in network.send(passage, now: now, &counts.faults) {
            after(arrival.delay) { action(arrival) }
        }
    }

    // MARK: - Frames

    /// Frames that a test wants to be lost.
    struct LostExchange: Hashable {
        let step: Step
        let generation: Generation
    }

    /// Payloads lie in the memory of the sender until they are on the wire: either at once, or in
    /// the moment in which they arrive, or anywhere between; the last two are alike.
    func send(_ wire: VirtualDataPlane.Wire, from worker: VirtualWorker, to endpoint: String) {
        if isHealed, defect == .stallsWhenHealed { return }
        guard !isLost(wire.frame.key), let target = source(endpoint) else { return }
        var onTheWire = generator.next(below: 2) == 0 ? Self.copy(wire.payload) : nil
        let extra = wire.frame.phase == .reports ? faults.exchangeTicks * Self.tick : 0
        send(.data, from: worker.node, to: target.node) { [unowned self] arrival in
            after(extra, of: target) { [unowned self] in
                // What comes a second time was on the wire with the first.
                let payload = onTheWire ?? Self.copy(wire.payload)
                onTheWire = payload
                receive(wire, payload, arrival.isCorrupted, from: worker, target)
            }
        }
    }

    private func receive(
        _ wire: VirtualDataPlane.Wire, _ payload: SharedBytes, _ isCorrupted: Bool,
        from sender: VirtualWorker, _ target: VirtualWorker
    ) {
        guard let dataPlane = target.dataPlane else { return }
        var (header, payload) = (wire.header, payload)
        let malformedBefore = dataPlane.drops.malformed
        if isCorrupted { corrupt(&header, &payload) }
        // Of a generation that either has given up, what is on its way may be overwritten.
        let isCurrent = [dataPlane, sender.dataPlane].allSatisfy {
            $0?.membership?.generation == wire.frame.key.generation
        }
        dataPlane.receive(header: header, payload: payload)
        let isMalformed = dataPlane.drops.malformed > malformedBefore
        if isCorrupted, !isMalformed {
            fail("a corrupted frame was taken for a sound one")
        }
        if isMalformed, isCurrent, !isCorrupted {
            fail(
                "a \(wire.frame.phase) frame of step \(wire.frame.key.accumulation.step) came to "
                    + "\(target.name) as no frame: the sender has overwritten it on its way")
        }
    }

    /// One bit is wrong, anywhere.
    private func corrupt(_ header: inout [UInt8], _ payload: inout SharedBytes) {
        let bit = generator.next(below: 8 * (header.count + payload.count))
        if bit < 8 * header.count {
            header[bit / 8] ^= 1 << UInt8(bit % 8)
        } else {
            var bytes = payload.copy()
            bytes[bit / 8 - header.count] ^= 1 << UInt8(bit % 8)
            payload = SharedBytes(bytes)
        }
    }

    private static func copy(_ payload: SharedBytes) -> SharedBytes {
        SharedBytes(payload.copy())
    }

    private func isLost(_ key: ExchangeKey) -> Bool {
        let step = key.accumulation.step
        guard let generations = faults.lostExchanges[step.number] else { return false }
        let exchange = LostExchange(step: step, generation: key.generation)
        if lostExchanges.contains(exchange) { return true }
        guard lostExchanges.count(where: { $0.step == step }) < generations else { return false }
        lostExchanges.insert(exchange)
        counts.faults[.exchangeLost] += 1
        return true
    }

    // MARK: - Transfers

    func source(_ endpoint: String) -> VirtualWorker? {
        // Endpoints of workers end in their number.
        guard let number = endpoint.split(separator: ":").last.flatMap({ UInt64($0) }) else {
            return nil
        }
        return workers[WorkerID(number)]
    }

    /// Asks for something large, and gets it in one piece.
    func fetch(
        _ resource: Resource, from endpoint: String, for asker: VirtualProcess,
        _ completion: @escaping (FetchOutcome) -> Void
    ) {
        var isOver = false
        func end(_ outcome: FetchOutcome) {
            guard !isOver else { return }
            isOver = true
            completion(outcome)
        }
        // While a large state comes piece by piece, nobody is silent.
        let ticksMax = Self.fetchTicksMax + faults.stateTicks
        after(ticksMax * Self.tick, of: asker) { end(.silence) }
        let isCoordinators = endpoint == "coordinator"
        guard let owner = isCoordinators ? coordinator : source(endpoint) as VirtualProcess? else {
            return
        }
        send(.data, from: asker.node, to: owner.node) { [unowned self] arrival in
            guard !arrival.isCorrupted else { return counts.faults[.transferLost] += 1 }
            owner.run { [unowned self] in
                let outcome = served(resource, by: owner).map(FetchOutcome.whole) ?? .missing
                let isState = if case .state = resource { true } else { false }
                let isSlow = isState && asker is VirtualWorker
                let delay = isSlow ? faults.stateTicks * Self.tick : 0
                send(.data, from: owner.node, to: asker.node) { [unowned self] arrival in
                    guard !arrival.isCorrupted else { return counts.faults[.transferLost] += 1 }
                    after(delay, of: asker) { end(outcome) }
                }
            }
        }
    }

    private func served(_ resource: Resource, by owner: VirtualProcess) -> [UInt8]? {
        if let worker = owner as? VirtualWorker { return worker.served(resource) }
        guard case .state(let step) = resource else { return nil }
        return disk.checkpoints[step]?.snapshot
    }
}
