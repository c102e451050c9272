// SPDX-License-Identifier: Apache-2.0
import Foundation
import SharedMemory
import Testing

@Suite struct DoorbellTests {
    private let name = "accord-test-\(UUID())"

    private func isReadable(_ doorbell: Doorbell) -> Bool {
        var item = pollfd(fd: doorbell.descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&item, 1, 0) == 1
    }

    @Test func aRingCanBeWaitedForAndTaken() throws {
        let (bell, other) = (try Doorbell(name: name), try Doorbell(name: name + "-other"))
        #expect(!isReadable(bell))
        #expect(bell.take() == nil)

        #expect(other.ring(name, [1, 2, 3]) == .rung)
        #expect(other.ring(name) == .rung)

        #expect(isReadable(bell))
        #expect(bell.take()?.bytes == [1, 2, 3])
        #expect(bell.take()?.bytes == [])
        #expect(bell.take() == nil)
        #expect(!isReadable(bell))
    }

    @Test func aSegmentIsHandedOver() throws {
        let (bell, other) = (try Doorbell(name: name), try Doorbell(name: name + "-other"))
        let segment = try Segment(bytes: 2 * Mapping.pageBytes)
        let mapping = try Mapping(writing: segment)

        #expect(other.ring(name, [5], handing: segment) == .rung)
        let ring = try #require(bell.take())
        let received = try #require(ring.segment)
        mapping.base.storeBytes(of: 42, toByteOffset: 4096, as: UInt8.self)

        #expect(ring.bytes == [5])
        #expect(received.bytes == segment.bytes)
        let reading = try Mapping(reading: [.init(received, bytes: 0..<received.bytes)])
        #expect(reading.base.load(fromByteOffset: 4096, as: UInt8.self) == 42)
    }

    @Test func aBellThatNobodyLooksAtIsFullAtSomeTimeAndNeverBlocks() throws {
        let (bell, other) = (try Doorbell(name: name), try Doorbell(name: name + "-other"))
        var rungCount = 0
        while other.ring(name) == .rung, rungCount < 1_000_000 { rungCount += 1 }

        #expect(rungCount < 1_000_000)
        #expect(other.ring(name) == .refused)
        while bell.take() != nil { rungCount -= 1 }
        #expect(rungCount == 0, "every ring that was accepted has come")
        #expect(other.ring(name) == .rung)
    }

    /// Anybody can send to a name; whom the kernel calls another user is not heard. Only root can
    /// become another, and perl belongs to every Debian.
    @Test(.enabled(if: getuid() == 0 && FileManager.default.fileExists(atPath: "/usr/bin/perl")))
    func anotherUserIsNotHeard() throws {
        let (bell, other) = (try Doorbell(name: name), try Doorbell(name: name + "-other"))
        let stranger = Process()
        stranger.executableURL = URL(filePath: "/usr/bin/perl")
        stranger.arguments = [
            "-MSocket", "-e",
            """
            ($(, $)) = (65534, "65534 65534"); ($<, $>) = (65534, 65534);
            socket(my $s, PF_UNIX, SOCK_DGRAM, 0) or die;
            for (1..3) { send($s, "hello", 0, pack_sockaddr_un("\\0$ARGV[0]")) or die "$!" }
            """, name,
        ]
        try stranger.run()
        stranger.waitUntilExit()
        #expect(stranger.terminationStatus == 0)
        #expect(isReadable(bell), "the datagrams of the stranger have come")

        #expect(bell.take() == nil)

        #expect(other.ring(name, [7]) == .rung)
        #expect(bell.take()?.bytes == [7])
    }

    @Test func aNameVanishesWithItsBell() throws {
        let other = try Doorbell(name: name + "-other")
        #expect(other.ring(name) == .gone)
        var bell: Doorbell? = try Doorbell(name: name)
        #expect(other.ring(name) == .rung)
        #expect(throws: SharedMemoryFailure.self) { _ = try Doorbell(name: name) }
        bell = nil
        #expect(bell == nil)

        // A process that another test starts has all descriptors until it has begun.
        let end = ContinuousClock.now + .seconds(60)
        var outcome = other.ring(name)
        while outcome != .gone, ContinuousClock.now < end { outcome = other.ring(name) }
        #expect(outcome == .gone)
        _ = try Doorbell(name: name)
    }
}
