// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Primitives

extension VirtualCluster {
    func makeDataPlane(_ worker: VirtualWorker) -> VirtualDataPlane {
        let dataPlane = VirtualDataPlane(
            task, worker.memory,
            .init(
                now: { [unowned self] in now },
                send: { [unowned self, unowned worker] wire, endpoint in
                    send(wire, from: worker, to: endpoint)
                },
                onAccepted: { [unowned self, unowned worker] frame, generation in
                    onAccepted(frame, generation, worker)
                },
                onCompleted: { [unowned self, unowned worker] in complete($0, worker) },
                onFailed: { [unowned self, unowned worker] in fail("\(worker.name): \($0)") }))
        dataPlane.takesOldFrames = defect == .takesOldFrames
        return dataPlane
    }

    private func onAccepted(
        _ frame: ExchangeFrame, _ generation: Generation, _ worker: VirtualWorker
    ) {
        check(
            checkers.fencing.onFrame(
                frame.key.generation, member: generation, heard: worker.heardGeneration,
                worker.name))
        let exchangeCount = worker.dataPlane?.membership?.exchangeCount ?? 0
        check(checkers.bounds.onExchanges(exchangeCount, worker.name))
    }

    private func complete(_ completion: VirtualMembership.Completion, _ worker: VirtualWorker) {
        let key = completion.key
        let outcome = decide(completion.reduced, worker)
        // The thread of the data plane posts it; the worker hears it a moment later.
        later(worker, 3) { [unowned self] in
            tell(
                worker,
                .exchangeFinished(
                    key.generation, step: key.accumulation.step,
                    attempt: key.accumulation.attempt, outcome))
        }
    }

    private func decide(
        _ reduced: ReducedStep, _ worker: VirtualWorker
    ) -> WorkerCore.ExchangeOutcome {
        let decision = task.rule.decide(
            scales: reduced.scales, maxima: reduced.maxima, attempt: reduced.attempt)
        switch decision {
        case .commit, .skip:
            worker.keep(reduced, isServable: (worker.plan?.members.count ?? 1) > 1)
            if decision == .skip { counts.faults[.gradientNotFinite] += 1 }
            return .complete(skipped: decision == .skip)
        case .secondAttempt(let scales):
            counts.secondAttempts += 1
            if task.configuration.outlierSteps.contains(reduced.step.number) {
                counts.faults[.gradientOutlier] += 1
            }
            return .secondAttempt(scales: scales)
        case .impure(let tensor):
            return .impossible(reason: "tensor \(tensor) of step \(reduced.step) does not fit")
        }
    }

    // MARK: - Catching up

    func catchUp(_ choice: CatchUp, to step: Step, _ worker: VirtualWorker) {
        counts.catchUps["\(choice)".prefix { $0 != "(" }.description, default: 0] += 1
        switch choice {
        case .none, .initialState:
            if disk.hasGivenState { return fail("\(worker.name) starts from the seed") }
            later(worker, 100) { [unowned self] in
                tell(worker, .caughtUp(worker.replica.applied, stateHash: []))
            }
        case .fetchReduced(let peers):
            fetch(.reduced(step), peers, worker) { [task] worker, bytes throws(MalformedBytes) in
                let reduced = try ReducedStep(
                    decoding: bytes, elementCount: task.elementCount)
                worker.keep(reduced, isServable: true)
                _ = try worker.replica.apply(reduced)
                worker.copyForJoiners(step)
                return []
            }
        case .fetchState(let peers):
            fetch(.state(step), peers, worker) { worker, bytes throws(MalformedBytes) in
                try worker.replica.restore(bytes)
                return worker.replica.stateHash()
            }
        }
    }

    /// The fetch in flight is not needed any more: within a moment it is told as failed.
    func cancelFetch(_ worker: VirtualWorker) {
        guard worker.fetching != nil else { return }
        worker.fetching = nil
        later(worker, 10) { [unowned self] in
            tell(worker, .catchUpFailed(reason: "not needed any more"))
        }
    }

    private func fetch(
        _ resource: Resource, _ peers: [PeerAddress], _ worker: VirtualWorker,
        _ install: @escaping (VirtualWorker, [UInt8]) throws(MalformedBytes) -> [UInt8]
    ) {
        worker.fetchCount += 1
        let number = worker.fetchCount
        worker.fetching = number
        trace.note(
            now, worker.name,
            "fetches \(resource) from \(peers.map(\.endpoint).joined(separator: ", "))")
        guard !peers.isEmpty else { return }
        // Pieces come from all of them; here the whole comes from any one.
        let endpoint = peers[generator.next(below: peers.count)].endpoint
        fetch(resource, from: endpoint, for: worker) { [unowned self] outcome in
            guard worker.fetching == number else { return }
            worker.fetching = nil
            guard case .whole(let bytes) = outcome else {
                return tell(worker, .catchUpFailed(reason: "\(endpoint) does not serve it"))
            }
            later(worker, 100) { [unowned self] in
                do throws(MalformedBytes) {
                    let hash = try install(worker, bytes)
                    tell(worker, .caughtUp(worker.replica.applied, stateHash: hash))
                } catch {
                    fail("\(worker.name) has fetched what it cannot use: \(error)")
                }
            }
        }
    }
}
