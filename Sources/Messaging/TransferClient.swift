// SPDX-License-Identifier: Apache-2.0
import Primitives
import Threads

/// Why a transfer did not happen.
package struct TransferFailure: Error, Sendable, CustomStringConvertible {
    package enum Cause: Equatable, Sendable {
        /// None of those that were asked has it.
        case missing
        case silence
        case cancelled
        case broken(String)
    }

    package let resource: TransferResource
    package let endpoints: [String]
    package let cause: Cause

    private var reason: String {
        switch cause {
        case .missing: "the peer does not have it"
        case .silence: "the peer is silent"
        case .cancelled: "not needed any more"
        case .broken(let text): text
        }
    }

    package var description: String {
        "fetching the \(resource) from \(endpoints.joined(separator: ", ")): \(reason)"
    }
}

/// A peer that may have a resource.
package struct TransferSource: Sendable {
    package let endpoint: String
    /// Of whoever listens there, if the context encrypts.
    package let key: PublicKey?

    package init(_ endpoint: String, key: PublicKey? = nil) {
        self.endpoint = endpoint
        self.key = key
    }
}

/// Fetches a resource in pieces from several peers that have the same, several requests ahead.
///
/// A peer that does not have it, or falls silent, leaves its pieces to the others.
/// Isolation: blocks; a thread of its own.
package struct TransferClient: Sendable {
    private let context: MessagingContext
    private let resource: TransferResource
    private let sources: [TransferSource]

    package init(
        _ context: MessagingContext, _ resource: TransferResource, from sources: [TransferSource]
    ) {
        self.context = context
        self.resource = resource
        self.sources = sources
    }

    /// - Parameter isCancelled: asked several times a second.
    /// - Parameter silenceSecondsMax: gives up when nothing has come for so long.
    package func fetch(
        silenceSecondsMax: Int = 10, isCancelled: () -> Bool
    ) throws(TransferFailure) -> [UInt8] {
        do {
            var session = try TransferSession(context, resource, sources)
            return try session.run(silentPollsMax: silenceSecondsMax * 10, isCancelled)
        } catch let failure as TransferFailure {
            throw failure
        } catch let error as ZeroMQError where error.isLackOfDescriptors {
            // It can fetch nothing from anybody; the peers must not be blamed for it.
            ExitFailure.lackOfDescriptors.endProcess()
        } catch {
            throw TransferFailure(
                resource: resource, endpoints: sources.map(\.endpoint), cause: .broken("\(error)"))
        }
    }
}

/// One fetch: who is asked for what.
private struct TransferSession {
    private static let requestsAhead = 8
    /// TCP misses a flipped bit once in years; more than this is a network that is broken.
    private static let damagedAnswersMax = 16
    /// A peer that is silent for so many polls of 100 ms leaves its pieces to the others.
    private static let slowPolls = 20

    private struct Peer {
        let endpoint: String
        let socket: Socket
        /// Offsets that it was asked for.
        var asked: Set<UInt64> = []
        var silentPolls = 0
    }

    private let resource: TransferResource
    private var peers: [Peer] = []
    private let wakeUp = WakeUp()
    private var assembly = TransferAssembly()
    private var nextOffset: UInt64 = 0
    private var damagedAnswerCount = 0
    /// Of peers that are gone or slow, or whose answers were damaged on their way.
    private var again: [UInt64] = []

    init(
        _ context: MessagingContext, _ resource: TransferResource, _ sources: [TransferSource]
    ) throws {
        self.resource = resource
        for source in sources {
            let socket = try Socket(
                .dealer(identity: []), context,
                messageBytesMax: Int(TransferRequest.pieceBytesMax) + 64)
            try socket.connect(source.endpoint, to: source.key)
            peers.append(Peer(endpoint: source.endpoint, socket: socket))
        }
    }

    private func failure(_ cause: TransferFailure.Cause) -> TransferFailure {
        TransferFailure(resource: resource, endpoints: peers.map(\.endpoint), cause: cause)
    }

    mutating func run(
        silentPollsMax: Int, _ isCancelled: () -> Bool
    ) throws -> [UInt8] {
        var silentPolls = 0
        while true {
            if isCancelled() { throw failure(.cancelled) }
            for index in peers.indices { try askAhead(index) }
            let outcome = try receive()
            if let whole = outcome.whole { return whole }
            if outcome.hasReceived {
                silentPolls = 0
                continue
            }
            silentPolls += 1
            guard silentPolls <= silentPollsMax else { throw failure(.silence) }
            poll(peers.map(\.socket), wakeUp, timeoutMilliseconds: 100)
            leavePiecesOfTheSilent()
        }
    }

    private mutating func askAhead(_ index: Int) throws {
        guard peers[index].silentPolls < Self.slowPolls else { return }
        while peers[index].asked.count < Self.requestsAhead, let offset = takeOffset() {
            let request = TransferRequest(
                resource: resource, offset: offset, count: TransferRequest.pieceBytesMax)
            _ = try peers[index].socket.send([request.encode()])
            peers[index].asked.insert(offset)
        }
    }

    /// Until the first answer tells the size, peers may be asked for pieces that are not there.
    private mutating func takeOffset() -> UInt64? {
        if let offset = again.popLast() { return offset }
        guard nextOffset < assembly.totalBytes ?? .max else { return nil }
        defer { nextOffset += UInt64(TransferRequest.pieceBytesMax) }
        return nextOffset
    }

    private mutating func receive() throws -> (whole: [UInt8]?, hasReceived: Bool) {
        var hasReceived = false
        var lacking: [Int] = []
        for index in peers.indices {
            while let frames = try peers[index].socket.receiveShared() {
                hasReceived = true
                peers[index].silentPolls = 0
                let answer = try assembly.add(frames)
                if case .missing = answer.outcome {
                    lacking.append(index)
                    break
                }
                if case .damaged = answer.outcome {
                    try askAgain(index)
                    continue
                }
                peers[index].asked.remove(answer.offset)
                if case .complete(let whole) = answer.outcome { return (whole, true) }
            }
        }
        for index in lacking.reversed() {
            again += peers[index].asked
            let peer = peers.remove(at: index)
            guard !peers.isEmpty else {
                peers = [peer]
                throw failure(.missing)
            }
        }
        return (nil, hasReceived)
    }

    /// Which piece was damaged nobody knows, so all that are on their way are asked for again.
    private mutating func askAgain(_ index: Int) throws {
        damagedAnswerCount += 1
        guard damagedAnswerCount <= Self.damagedAnswersMax else {
            throw failure(
                .broken(
                    "\(damagedAnswerCount) answers were damaged on their way; look at the network "
                        + "and the memory of these machines"))
        }
        again += peers[index].asked
        peers[index].asked = []
    }

    private mutating func leavePiecesOfTheSilent() {
        for index in peers.indices where !peers[index].asked.isEmpty {
            peers[index].silentPolls += 1
            guard peers[index].silentPolls == Self.slowPolls, peers.count > 1 else { continue }
            again += peers[index].asked
            peers[index].asked = []
        }
        // When all are slow, all are asked again.
        if peers.allSatisfy({ $0.silentPolls >= Self.slowPolls }) {
            for index in peers.indices { peers[index].silentPolls = 0 }
        }
    }
}
