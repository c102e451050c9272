// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Messaging
import Primitives
import Synchronization

/// Fetches states and results from peers, in the background: on one machine a joiner must not take
/// the cores of those that train.
final class PeerFetcher: Sendable {
    private let context: MessagingContext
    private let coordinatorKey: PublicKey?
    private let isCancelled = Atomic(false)
    /// Of the step after the one that was asked for last.
    private let ahead = Mutex<Fetch?>(nil)

    init(_ context: MessagingContext, coordinatorKey: PublicKey?) {
        self.context = context
        self.coordinatorKey = coordinatorKey
    }

    /// Fetches in flight end within a moment as failed, and so do others, until `allow`.
    func cancel() { isCancelled.store(true, ordering: .relaxed) }

    func allow() { isCancelled.store(false, ordering: .relaxed) }

    /// Returns when nothing is fetched any more.
    func stop() {
        cancel()
        _ = takeAhead()?.wait()
    }

    func state(_ step: Step, _ peers: [PeerAddress]) throws -> [UInt8] {
        try fetch(.init(.state, step), peers).wait().get()
    }

    /// The result of the next step comes while the caller applies this one.
    func result(_ step: Step, _ peers: [PeerAddress]) throws -> [UInt8] {
        let resource = TransferResource(.reduced, step)
        let bytes = try early(resource) ?? fetch(resource, peers).wait().get()
        let next = fetch(.init(.reduced, step.next), peers)
        ahead.withLock { $0 = next }
        return bytes
    }

    /// What was fetched ahead; nil if it is something else, or was asked for too early.
    private func early(_ resource: TransferResource) -> [UInt8]? {
        let fetch = takeAhead()
        guard case .success(let bytes) = fetch?.wait(), fetch?.resource == resource else {
            return nil
        }
        return bytes
    }

    private func takeAhead() -> Fetch? {
        ahead.withLock { ahead in
            defer { ahead = nil }
            return ahead
        }
    }

    private func fetch(_ resource: TransferResource, _ peers: [PeerAddress]) -> Fetch {
        let client = TransferClient(
            context, resource, from: peers.map { $0.source(coordinatorKey) })
        return Fetch(resource) { [self] in
            try client.fetch { isCancelled.load(ordering: .relaxed) }
        }
    }
}

/// One fetch on a thread of its own.
private final class Fetch: Sendable {
    let resource: TransferResource
    private let outcome = Outcome()
    private let thread: NamedThread

    private final class Outcome: Sendable {
        let value = Mutex<Result<[UInt8], any Error>?>(nil)
    }

    init(_ resource: TransferResource, _ body: @escaping @Sendable () throws -> [UInt8]) {
        self.resource = resource
        thread = NamedThread("fetch", .background) { [outcome] in
            let found = Result { try body() }
            outcome.value.withLock { $0 = found }
        }
    }

    /// Once.
    func wait() -> Result<[UInt8], any Error> {
        thread.join()
        guard let found = outcome.value.withLock({ $0 }) else {
            preconditionFailure("the fetch of \(resource) has ended without an outcome")
        }
        return found
    }
}
