// SPDX-License-Identifier: Apache-2.0
import Foundation
import SharedMemory
import Testing

@Suite struct SegmentTests {
    private static let page = Mapping.pageBytes

    @Test func allMappingsOfASegmentSeeTheSameMemory() throws {
        let segment = try Segment(bytes: 3 * Self.page)
        let writing = try Mapping(writing: segment)
        let reading = try Mapping(reading: [.init(segment, bytes: 0..<segment.bytes)])

        #expect(
            (0..<segment.bytes).allSatisfy {
                reading.base.load(fromByteOffset: $0, as: UInt8.self) == 0
            })
        writing.base.storeBytes(of: 77, toByteOffset: 2 * Self.page + 5, as: UInt8.self)

        #expect(reading.base.load(fromByteOffset: 2 * Self.page + 5, as: UInt8.self) == 77)
    }

    @Test func piecesLieOneBehindTheOther() throws {
        let segments = try (0..<3).map { number in
            let segment = try Segment(bytes: 4 * Self.page)
            let mapping = try Mapping(writing: segment)
            for page in 0..<4 {
                mapping.base.storeBytes(
                    of: UInt8(10 * number + page), toByteOffset: page * Self.page, as: UInt8.self)
            }
            return segment
        }

        let mapping = try Mapping(reading: [
            .init(segments[2], bytes: Self.page..<3 * Self.page),
            .init(segments[0], bytes: 0..<0),
            .init(segments[1], bytes: 0..<Self.page),
            .init(segments[0], bytes: 3 * Self.page..<3 * Self.page + 100),
        ])

        let pages = (0..<4).map {
            mapping.base.load(fromByteOffset: $0 * Self.page, as: UInt8.self)
        }
        #expect(pages == [21, 22, 10, 3])
    }

    @Test func aMappingOutlivesTheDescriptor() throws {
        var segment: Segment? = try Segment(bytes: Self.page)
        let mapping = try Mapping(writing: try #require(segment))
        segment = nil

        mapping.base.storeBytes(of: 9, as: UInt8.self)
        #expect(mapping.base.load(as: UInt8.self) == 9)
    }

    @Test func whatIsMappedToReadCannotBeWritten() async {
        await #expect(processExitsWith: .failure) {
            let segment = try Segment(bytes: Mapping.pageBytes)
            let mapping = try Mapping(reading: [.init(segment, bytes: 0..<Mapping.pageBytes)])
            mapping.base.storeBytes(of: 1, as: UInt8.self)
        }
    }

    /// Pages are given whole, and no others.
    @Test func pagesAreThereBeforeTheyAreTouched() throws {
        let segment = try Segment(bytes: 12 * Self.page)
        let mapping = try Mapping(writing: segment)
        #expect(try residentPages(of: mapping, count: 12).isEmpty)

        mapping.populate(3 * Self.page + 100..<7 * Self.page + 1)

        #expect(try residentPages(of: mapping, count: 12) == Array(3...7))
    }

    private func residentPages(of mapping: Mapping, count: Int) throws -> [Int] {
        var isResident = [UInt8](repeating: 0, count: count)
        try #require(mincore(mapping.base, count * Self.page, &isResident) == 0)
        return isResident.indices.filter { isResident[$0] & 1 == 1 }
    }

    /// Its owner could make a reader touch what is not there.
    @Test func aDescriptorThatIsNoSealedSegmentIsRefusedAndClosed() throws {
        var pipes: [CInt] = [0, 0]
        #expect(pipe(&pipes) == 0)
        // Other tests start processes meanwhile, which must not keep it.
        for end in pipes { #expect(fcntl(end, F_SETFD, FD_CLOEXEC) == 0) }
        defer { close(pipes[1]) }
        let path = NSTemporaryDirectory() + "segment-\(UUID())"
        let file = open(path, O_RDWR | O_CREAT, 0o600)
        defer { unlink(path) }

        for descriptor in [pipes[0], file] {
            #expect(throws: SharedMemoryFailure.self) { _ = try Segment(adopting: descriptor) }
        }
        // Nobody can read from the pipe any more, once a process that was being started has begun.
        var item = pollfd(fd: pipes[1], events: 0, revents: 0)
        #expect(poll(&item, 1, 60_000) == 1 && Int32(item.revents) == POLLERR)
    }
}
