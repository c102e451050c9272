// SPDX-License-Identifier: Apache-2.0
import Datasets
import Foundation
import Media
import Testing

@Suite struct FrameCacheTests {
    private let specification = FrameSpecification(frameCount: 2, frameSize: 4)

    private func frames(_ value: UInt8) -> [UInt8] {
        (0..<2 * 4 * 4 * 3).map { UInt8(truncatingIfNeeded: $0) &+ value }
    }

    private func setDate(_ date: Date, _ path: String) throws {
        try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: path)
    }

    private func entryPaths(_ directory: String) -> [String] {
        (FileManager.default.enumerator(atPath: directory)?.allObjects as? [String] ?? [])
            .filter { $0.hasSuffix(".frames") }.map { "\(directory)/\($0)" }.sorted()
    }

    @Test(arguments: [true, false])
    func aClipIsDecodedOnce(inMemory: Bool) throws {
        let dataset = try TemporaryDataset()
        let path = try dataset.writeVideo(id: "123")
        let cache = try FrameCache(
            inMemory ? .memory : .directory(dataset.directory + "/cache"), bytesMax: 1 << 20)
        var decodeCount = 0

        for _ in 0..<3 {
            let result = cache.frames(of: path, specification) {
                decodeCount += 1
                return frames(9)
            }
            #expect(result == frames(9))
        }

        #expect(decodeCount == 1)
        #expect(cache.statistics.hitCount == 2)
        #expect(cache.statistics.missCount == 1)
    }

    @Test func anotherProcessOfTheMachineFindsTheEntries() throws {
        let dataset = try TemporaryDataset()
        let path = try dataset.writeVideo(id: "123")
        let location = FrameCache.Location.directory(dataset.directory + "/cache")
        _ = try FrameCache(location, bytesMax: 1 << 20).frames(of: path, specification) {
            frames(9)
        }

        let other = try FrameCache(location, bytesMax: 1 << 20)
        let result = other.frames(of: path, specification) { frames(77) }

        #expect(result == frames(9))
        #expect(other.statistics.hitCount == 1)
    }

    @Test(arguments: [true, false])
    func aReplacedVideoAndAnotherSpecificationAreDecodedAnew(inMemory: Bool) throws {
        let dataset = try TemporaryDataset()
        let path = try dataset.writeVideo(id: "123", bytes: [1, 2, 3])
        let cache = try FrameCache(
            inMemory ? .memory : .directory(dataset.directory + "/cache"), bytesMax: 1 << 20)
        // A whole second, which survives the way through `Date` without rounding.
        let date = Date(timeIntervalSince1970: 1_650_000_000)
        try setDate(date, path)
        _ = cache.frames(of: path, specification) { frames(1) }

        let larger = FrameSpecification(frameCount: 1, frameSize: 4)
        let other = cache.frames(of: path, larger) { Array(frames(2).prefix(48)) }
        try dataset.writeVideo(id: "123", bytes: [1, 2, 3, 4])
        try setDate(date, path)
        let longer = cache.frames(of: path, specification) { frames(3) }
        try setDate(date.addingTimeInterval(1), path)
        let newer = cache.frames(of: path, specification) { frames(5) }
        try FileManager.default.removeItem(atPath: path)
        let gone = cache.frames(of: path, specification) { frames(4) }

        #expect(other == Array(frames(2).prefix(48)))
        #expect(longer == frames(3))
        #expect(newer == frames(5))
        #expect(gone == frames(4))
    }

    @Test func everyDamagedByteOfAnEntryIsNoticedAndRepaired() throws {
        let dataset = try TemporaryDataset()
        let path = try dataset.writeVideo(id: "123")
        let directory = dataset.directory + "/cache"
        let cache = try FrameCache(.directory(directory), bytesMax: 1 << 20)
        _ = cache.frames(of: path, specification) { frames(9) }
        let entry = URL(fileURLWithPath: try #require(entryPaths(directory).first))
        let sound = try Data(contentsOf: entry)
        var damageCount = 0

        for index in sound.indices {
            var damaged = sound
            damaged[index] ^= 0x10
            try damaged.write(to: entry)
            damageCount += 1
            #expect(cache.frames(of: path, specification) { frames(9) } == frames(9))
            #expect(try Data(contentsOf: entry) == sound)
        }
        for length in [0, 1, 79, 80, sound.count - 1] {
            try sound.prefix(length).write(to: entry)
            damageCount += 1
            #expect(cache.frames(of: path, specification) { frames(9) } == frames(9))
        }

        #expect(damageCount == sound.count + 5)
        #expect(cache.statistics.damagedCount == damageCount)
        #expect(cache.statistics.hitCount == 0)
    }

    @Test(arguments: [true, false])
    func theBoundIsKeptAndWhatIsInsideStays(inMemory: Bool) throws {
        let dataset = try TemporaryDataset()
        let paths = try (0..<10).map { try dataset.writeVideo(id: "\($0)") }
        let directory = dataset.directory + "/cache"
        // An entry on disk has 80 bytes of header.
        let entryBytes = specification.frameCount * 48 + (inMemory ? 0 : 80)
        let cache = try FrameCache(
            inMemory ? .memory : .directory(directory), bytesMax: entryBytes * 3 + 5)

        for round in 0..<2 {
            for (index, path) in paths.enumerated() {
                #expect(
                    cache.frames(of: path, specification) { frames(UInt8(index)) }
                        == frames(UInt8(index)), "round \(round)")
            }
        }

        #expect(cache.statistics.hitCount == 3)
        #expect(cache.statistics.refusedCount == 14)
        #expect(cache.statistics.bytes == entryBytes * 3)
        #expect(entryPaths(directory).count == (inMemory ? 0 : 3))
    }

    @Test func aCacheOfNoBytesKeepsNothing() throws {
        let dataset = try TemporaryDataset()
        let path = try dataset.writeVideo(id: "1")
        let cache = try FrameCache(.memory, bytesMax: 0)
        _ = cache.frames(of: path, specification) { frames(1) }

        #expect(cache.frames(of: path, specification) { frames(2) } == frames(2))
    }

    @Test func unfinishedFilesOfEndedProcessesAreRemoved() throws {
        let dataset = try TemporaryDataset()
        let directory = dataset.directory + "/cache"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        // Larger than any process number of Linux, so that nobody has it.
        let abandoned = "\(directory)/4999999.1.partial"
        let alive = "\(directory)/\(getpid()).1.partial"
        for path in [abandoned, alive] { try Data([1]).write(to: URL(fileURLWithPath: path)) }

        _ = try FrameCache(.directory(directory), bytesMax: 1 << 20)

        #expect(!FileManager.default.fileExists(atPath: abandoned))
        #expect(FileManager.default.fileExists(atPath: alive))
    }

    @Test func manyThreadsGetTheRightFrames() throws {
        let dataset = try TemporaryDataset()
        let paths = try (0..<16).map { try dataset.writeVideo(id: "\($0)") }
        let cache = try FrameCache(.directory(dataset.directory + "/cache"), bytesMax: 1 << 20)
        let expected = (0..<16).map { frames(UInt8($0)) }
        let specification = specification

        DispatchQueue.concurrentPerform(iterations: 200) { iteration in
            let index = iteration % 16
            let result = cache.frames(of: paths[index], specification) { expected[index] }
            #expect(result == expected[index])
        }

        #expect(cache.statistics.hitCount + cache.statistics.missCount == 200)
        #expect(cache.statistics.hitCount > 0)
    }
}
