// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Testing

@Suite struct VideoDecoderTests {
    /// The brightness of an RGB pixel in the 16...235 of video.
    /// - Source: ITU-R BT.601.
    private func luma(_ pixel: ArraySlice<UInt8>) -> Double {
        let at = pixel.startIndex
        return 16
            + (65.481 * Double(pixel[at]) + 128.553 * Double(pixel[at + 1])
                + 24.966 * Double(pixel[at + 2])) / 255
    }

    @Test func samplesTheFramesThatLibavShowsAtThoseTimes() throws {
        let golden = try ClipFramesFixture.load()
        let pixels = try VideoDecoder.decode(
            path: ClipFramesFixture.video,
            FrameSpecification(frameCount: golden.frameCount, frameSize: golden.frameSize))
        let frameBytes = golden.frameSize * golden.frameSize * 3
        try #require(pixels.count == golden.frameCount * frameBytes)
        for (index, expected) in golden.luma.enumerated() {
            let frame = pixels[index * frameBytes..<(index + 1) * frameBytes]
            let differences = expected.indices.map { place in
                abs(luma(frame.dropFirst(3 * place).prefix(3)) - Double(expected[place]))
            }
            // Frames that follow each other differ by 2 and more in the mean. The three channels of
            // a pixel are rounded, by at most 0.5 each: at most (65.5 + 128.6 + 25.0) / 255 / 2,
            // that is 0.43 of brightness, and its deviation is 0.17, so 0.14 in the mean. A pixel
            // may be clipped besides where the bar's edge has bled into its colour.
            #expect(differences.reduce(0, +) / Double(differences.count) < 0.2, "frame \(index)")
            #expect(differences.sorted()[differences.count * 95 / 100] <= 0.43, "frame \(index)")
        }
    }

    @Test func aShortClipRepeatsFrames() throws {
        let folder = try TemporaryFolder()
        let picture = CornerPicture(width: 32, height: 32).rgb
        let path = folder.file("one.mp4")
        try encode([picture], to: path, .init(width: 32, height: 32, framesPerSecond: 5))
        let pixels = try VideoDecoder.decode(
            path: path, FrameSpecification(frameCount: 3, frameSize: 16))
        let frames = stride(from: 0, to: pixels.count, by: 16 * 16 * 3).map {
            Array(pixels[$0..<$0 + 16 * 16 * 3])
        }
        #expect(frames.count == 3)
        #expect(Set(frames).count == 1)
    }

    @Test(arguments: [
        (width: 64, height: 64), (width: 96, height: 54), (width: 36, height: 80),
        (width: 2, height: 2), (width: 500, height: 26),
    ])
    func theCentreSquareIsCutOutOfAnyShape(_ size: (width: Int, height: Int)) throws {
        let folder = try TemporaryFolder()
        let path = folder.file("clip.mp4")
        let picture = CornerPicture(width: size.width, height: size.height).rgb
        try encode(
            [picture, picture], to: path,
            .init(width: size.width, height: size.height, framesPerSecond: 2))
        let pixels = try VideoDecoder.decode(
            path: path, FrameSpecification(frameCount: 2, frameSize: 24))
        #expect(pixels.count == 2 * 24 * 24 * 3)
        guard size.width > 2 else { return }
        for frame in [pixels.prefix(24 * 24 * 3), pixels.suffix(24 * 24 * 3)] {
            #expect(CornerPicture.corners(of: frame, side: 24) == [0, 1, 2, 3])
        }
    }

    @Test(arguments: [
        (degrees: 0, corners: [0, 1, 2, 3]), (degrees: 90, corners: [2, 0, 3, 1]),
        (degrees: 180, corners: [3, 2, 1, 0]), (degrees: 270, corners: [1, 3, 0, 2]),
    ])
    func turnsPicturesAsAPlayerDoes(_ turn: (degrees: Int, corners: [Int])) throws {
        let folder = try TemporaryFolder()
        let path = folder.file("turned.mp4")
        var configuration = VideoEncoder.Configuration(width: 64, height: 48, framesPerSecond: 5)
        configuration.rotationDegrees = turn.degrees
        try encode([CornerPicture(width: 64, height: 48).rgb], to: path, configuration)
        let pixels = try VideoDecoder.decode(
            path: path, FrameSpecification(frameCount: 1, frameSize: 32))
        #expect(CornerPicture.corners(of: pixels[...], side: 32) == turn.corners)
    }

    @Test func equalFramesGiveEqualBytes() throws {
        let folder = try TemporaryFolder()
        let pictures = (0..<12).map { shift in
            CornerPicture(width: 40, height: 30).rgb.map { $0 &+ UInt8(shift) }
        }
        let configuration = VideoEncoder.Configuration(width: 40, height: 30, framesPerSecond: 4)
        var files: [Data] = []
        for name in ["a.mp4", "b.mp4"] {
            try encode(pictures, to: folder.file(name), configuration)
            files.append(try Data(contentsOf: URL(fileURLWithPath: folder.file(name))))
        }
        #expect(files[0] == files[1])
    }

    // MARK: - Files that are no clips

    private func failure(_ path: String) -> MediaFailure? {
        do throws(MediaFailure) {
            _ = try VideoDecoder.decode(
                path: path, FrameSpecification(frameCount: 4, frameSize: 32))
            return nil
        } catch {
            return error
        }
    }

    @Test func aMissingFileIsNamed() {
        let failure = failure("/nowhere/clip.mp4")
        #expect(failure?.path == "/nowhere/clip.mp4")
        #expect(failure?.description.contains("No such file") == true)
    }

    @Test(arguments: [0, 1, 100, 4000])
    func bytesThatAreNoVideoAreRefused(_ count: Int) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write((0..<count).map { UInt8(truncatingIfNeeded: $0 * 37) }, to: "x")
        #expect(failure(path)?.path == path)
    }

    @Test func aTruncatedClipIsRefusedWhereverItIsCut() throws {
        let folder = try TemporaryFolder()
        let whole = try Data(contentsOf: URL(fileURLWithPath: ClipFramesFixture.video))
        for share in 1...19 {
            let path = try folder.write(whole.prefix(whole.count * share / 20), to: "cut.mp4")
            #expect(failure(path) != nil, "\(share) of 20 parts")
        }
    }

    @Test func aDamagedClipNeverCrashesAndNeverGivesAnotherSize() throws {
        let folder = try TemporaryFolder()
        let whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: ClipFramesFixture.video)))
        var refusals = 0
        for round in 0..<60 {
            var bytes = whole
            for burst in 0..<4 {
                let place = (round * 7919 + burst * 104_729) % (bytes.count - 16)
                for offset in 0..<16 {
                    bytes[place + offset] = UInt8(truncatingIfNeeded: round * 31 + offset)
                }
            }
            let path = try folder.write(bytes, to: "damaged.mp4")
            let result = try? VideoDecoder.decode(
                path: path, FrameSpecification(frameCount: 4, frameSize: 32))
            if let result { #expect(result.count == 4 * 32 * 32 * 3) } else { refusals += 1 }
        }
        #expect(refusals > 0)
    }

    @Test func aSoundTrackAloneIsNoClip() throws {
        // A WAV file: one second of silence, 8 kHz, one channel.
        var bytes = Array("RIFF".utf8) + [0x24, 0x1f, 0, 0] + Array("WAVEfmt ".utf8)
        bytes += [16, 0, 0, 0, 1, 0, 1, 0, 0x40, 0x1f, 0, 0, 0x40, 0x1f, 0, 0, 1, 0, 8, 0]
        bytes += Array("data".utf8) + [0x00, 0x1f, 0, 0] + [UInt8](repeating: 128, count: 7936)
        let folder = try TemporaryFolder()
        let path = try folder.write(bytes, to: "sound.wav")
        #expect(failure(path)?.operation == "find a video stream in")
    }
}
