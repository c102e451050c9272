// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives
import Synchronization

/// A TCP relay that mistreats what passes, and counts it. A line that is cut in one direction loses
/// nothing: what was sent arrives when it is mended, as TCP sends it again.
///
/// Every connection has a thread of its own, which ends with the connection.
final class FaultyProxy: Sendable {
    struct Faults: Sendable {
        /// Before each piece is passed on, up to so long.
        var delayMillisecondsMax = 0
        var bytesPerSecond: Int?
        /// One in so many bytes, on average, at which the connection is reset.
        var resetEveryBytes: Int?
        /// One in so many bytes, on average, of which a bit is turned.
        var flipEveryBytes: Int?
    }

    enum Direction: CaseIterable, Sendable { case toTarget, fromTarget }

    struct Counts: Sendable {
        var connections = 0
        /// That had to wait for a cut line.
        var heldBytes = 0
        var delays = 0
        var throttledPieces = 0
        var resets = 0
        var flips = 0
    }

    let endpoint: String
    private let listener: CInt
    private let target: UInt16
    private let faults: Faults
    private let seed: UInt64
    private let state = Mutex(Counts())
    private let cutDirection = Mutex<Direction?>(nil)

    var counts: Counts { state.withLock { $0 } }

    /// From now on nothing passes in this direction, also of new connections.
    func cut(_ direction: Direction) { cutDirection.withLock { $0 = direction } }

    func mend() { cutDirection.withLock { $0 = nil } }

    /// - Parameter endpoint: of loopback, to which all is passed on.
    /// - Parameter seed: of what is drawn; every proxy has another.
    init(to endpoint: String, _ faults: Faults, seed: UInt64) throws {
        guard let port = endpoint.split(separator: ":").last.flatMap({ UInt16($0) }) else {
            throw POSIXError(.EINVAL)
        }
        target = port
        self.faults = faults
        self.seed = seed
        let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        var address = Self.loopback(port: 0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 && listen(listener, 64) == 0
                    && getsockname(listener, $0, &size) == 0
            }
        }
        guard isListening else { throw POSIXError(.EADDRNOTAVAIL) }
        self.listener = listener
        self.endpoint = "tcp://127.0.0.1:\(UInt16(bigEndian: address.sin_port))"
        Thread.detachNewThread { [self] in acceptAll() }
    }

    /// No more connections; those that there are end with their processes.
    func stop() { shutdown(listener, CInt(SHUT_RDWR)) }

    private static func loopback(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }

    private func acceptAll() {
        while true {
            let client = accept(listener, nil, nil)
            guard client >= 0 else { break }
            let number = state.withLock { counts in
                counts.connections += 1
                return counts.connections
            }
            Thread.detachNewThread { [self] in relay(client, number) }
        }
        close(listener)
    }

    private func relay(_ client: CInt, _ number: Int) {
        let server = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        defer { for file in [client, server] { close(file) } }
        var address = Self.loopback(port: target)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { return }
        var mischief = Mischief(
            faults,
            SeededGenerator(seed: seed, purpose: .testing, [UInt64(number)]))
        var passages = [
            Passage(direction: .toTarget, source: client, sink: server),
            Passage(direction: .fromTarget, source: server, sink: client),
        ]
        var files = passages.map { pollfd(fd: $0.source, events: Int16(POLLIN), revents: 0) }
        while poll(&files, 2, Self.millisecondsToLookForMends) >= 0 {
            for index in passages.indices {
                guard pass(&passages[index], isReady: files[index].revents != 0, &mischief)
                else { return end(passages) }
            }
        }
    }

    private static let millisecondsToLookForMends: CInt = 10

    /// Behind a cut line the other side hears of the end, and of all before it, only when it is
    /// mended.
    private func end(_ passages: [Passage]) {
        while cutDirection.withLock({ $0 != nil }) {
            _ = poll(nil, 0, Self.millisecondsToLookForMends)
        }
        for passage in passages {
            _ = passage.held.withUnsafeBytes { Self.sendAll($0, to: passage.sink) }
        }
    }

    private struct Passage {
        let direction: Direction
        let source: CInt
        let sink: CInt
        var held: [UInt8] = []
    }

    /// - Returns: false when the connection has ended.
    private func pass(
        _ passage: inout Passage, isReady: Bool, _ mischief: inout Mischief
    ) -> Bool {
        var piece: [UInt8] = []
        if isReady {
            guard let received = Self.receive(passage.source) else { return false }
            piece = received
            let isReset = state.withLock { mischief.treat(&piece, &$0) }
            guard !isReset else {
                for file in [passage.source, passage.sink] { Self.resetWhenClosed(file) }
                return false
            }
            mischief.wait(for: piece.count)
        }
        if cutDirection.withLock({ $0 == passage.direction }) {
            passage.held += piece
            state.withLock { $0.heldBytes += piece.count }
            return true
        }
        defer { passage.held = [] }
        return (passage.held + piece).withUnsafeBytes { Self.sendAll($0, to: passage.sink) }
    }

    private static func receive(_ source: CInt) -> [UInt8]? {
        var piece = [UInt8](repeating: 0, count: 4096)
        let count = recv(source, &piece, piece.count, 0)
        guard count > 0 else { return nil }
        piece.removeLast(piece.count - count)
        return piece
    }

    private static func sendAll(_ bytes: UnsafeRawBufferPointer, to file: CInt) -> Bool {
        var start = 0
        while start < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
            let sent = send(file, rest.baseAddress, rest.count, CInt(MSG_NOSIGNAL))
            guard sent > 0 else { return false }
            start += sent
        }
        return true
    }

    private static func resetWhenClosed(_ file: CInt) {
        var atOnce = linger(l_onoff: 1, l_linger: 0)
        setsockopt(file, SOL_SOCKET, SO_LINGER, &atOnce, socklen_t(MemoryLayout<linger>.size))
    }
}

/// What happens to the pieces of one connection.
private struct Mischief {
    private let faults: FaultyProxy.Faults
    private var generator: SeededGenerator
    private var delay = 0

    init(_ faults: FaultyProxy.Faults, _ generator: SeededGenerator) {
        self.faults = faults
        self.generator = generator
    }

    private mutating func happens(in count: Int, every bytes: Int?) -> Bool {
        guard let bytes else { return false }
        return generator.next(below: bytes) < count
    }

    /// - Returns: whether the connection is to be reset instead.
    mutating func treat(_ piece: inout [UInt8], _ counts: inout FaultyProxy.Counts) -> Bool {
        if happens(in: piece.count, every: faults.resetEveryBytes) {
            counts.resets += 1
            return true
        }
        if happens(in: piece.count, every: faults.flipEveryBytes) {
            let bit = generator.next(below: 8 * piece.count)
            piece[bit / 8] ^= 1 << UInt8(bit % 8)
            counts.flips += 1
        }
        delay = 0
        if faults.delayMillisecondsMax > 0 {
            delay = generator.next(below: faults.delayMillisecondsMax + 1)
            counts.delays += 1
        }
        if faults.bytesPerSecond != nil { counts.throttledPieces += 1 }
        return false
    }

    /// The delay that was drawn, and what so many bytes take.
    func wait(for count: Int) {
        let throttle = faults.bytesPerSecond.map { 1000 * count / $0 } ?? 0
        if delay + throttle > 0 { _ = poll(nil, 0, CInt(delay + throttle)) }
    }
}
