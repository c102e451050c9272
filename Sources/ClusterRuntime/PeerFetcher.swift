// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Messaging
import Primitives
import Synchronization
import Threads

/// Fetches states and results from peers, one at a time and the next result ahead.
///
/// The caller fetches in the background as long as nobody waits: on one machine a joiner must not
/// take the cores of those that train.
/// Isolation: the replica thread, or another for which it waits; any thread may cancel and allow.
final class PeerFetcher: Sendable {
    private let context: MessagingContext
    private let coordinatorKey: PublicKey?
    private let waits: WaitRegister
    private let isCancelled = Atomic(false)
    /// Of the step after the one that was asked for last.
    private let ahead = Mutex<Fetch?>(nil)

    init(_ context: MessagingContext, coordinatorKey: PublicKey?, _ waits: WaitRegister) {
        self.context = context
        self.waits = waits
        self.coordinatorKey = coordinatorKey
    }

    /// Fetches in flight end within a moment as failed, and so do others, until `allow`.
    func cancel() {
        isCancelled.store(true, ordering: .relaxed)
        ahead.withLock { $0?.cancel() }
    }

    func allow() { isCancelled.store(false, ordering: .relaxed) }

    /// Ends what was begun ahead.
    func forgetAhead() {
        guard let fetch = takeAhead() else { return }
        fetch.cancel()
        _ = fetch.wait()
    }

    func state(
        _ step: Step, _ peers: [PeerAddress], _ priority: NamedThread.Priority
    ) throws -> [UInt8] {
        forgetAhead()
        return try fetch(.init(.state, step), peers, priority).wait().get()
    }

    /// The result of the next step comes while the caller applies this one.
    ///
    /// - Parameter goal: results after this step are not asked for ahead.
    func result(
        _ step: Step, _ peers: [PeerAddress], goal: Step, _ priority: NamedThread.Priority
    ) throws -> [UInt8] {
        let resource = TransferResource(.reduced, step)
        let bytes = try early(resource, peers) ?? fetch(resource, peers, priority).wait().get()
        if step < goal {
            let next = fetch(.init(.reduced, step.next), peers, priority)
            ahead.withLock { $0 = next }
        }
        return bytes
    }

    /// What was fetched ahead; nil if it is something else, or was asked for too early.
    private func early(_ resource: TransferResource, _ peers: [PeerAddress]) -> [UInt8]? {
        guard ahead.withLock({ $0?.resource == resource && $0?.peers == peers }) else {
            forgetAhead()
            return nil
        }
        guard case .success(let bytes) = takeAhead()?.wait() else { return nil }
        return bytes
    }

    private func takeAhead() -> Fetch? {
        ahead.withLock { ahead in
            defer { ahead = nil }
            return ahead
        }
    }

    private func fetch(
        _ resource: TransferResource, _ peers: [PeerAddress], _ priority: NamedThread.Priority
    ) -> Fetch {
        let client = TransferClient(
            context, resource, from: peers.map { $0.source(coordinatorKey) })
        let places = peers.map(\.endpoint).joined(separator: ", ")
        return Fetch(resource, peers, priority) { [self] isGivenUp in
            try waits.during("fetching the \(resource) from \(places)") {
                try client.fetch { isGivenUp() || isCancelled.load(ordering: .relaxed) }
            }
        }
    }
}

/// One fetch on a thread of its own.
private final class Fetch: Sendable {
    typealias Body = @Sendable (_ isGivenUp: () -> Bool) throws -> [UInt8]

    private final class State: Sendable {
        let isGivenUp = Atomic(false)
        let outcome = Mutex<Result<[UInt8], any Error>?>(nil)
    }

    let resource: TransferResource
    let peers: [PeerAddress]
    private let state = State()
    private let thread: NamedThread

    init(
        _ resource: TransferResource, _ peers: [PeerAddress], _ priority: NamedThread.Priority,
        _ body: @escaping Body
    ) {
        self.resource = resource
        self.peers = peers
        thread = NamedThread("fetch", priority) { [state] in
            let found = Result { try body { state.isGivenUp.load(ordering: .relaxed) } }
            state.outcome.withLock { $0 = found }
        }
    }

    /// It ends within a moment, as failed.
    func cancel() { state.isGivenUp.store(true, ordering: .relaxed) }

    /// Once.
    func wait() -> Result<[UInt8], any Error> {
        thread.join()
        guard let found = state.outcome.withLock({ $0 }) else {
            preconditionFailure("the fetch of \(resource) has ended without an outcome")
        }
        return found
    }
}
