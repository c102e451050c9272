// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media

/// A folder that goes away with its scope.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "media-\(UUID())").path
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    func write(_ bytes: some Sequence<UInt8>, to name: String) throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
        return file(name)
    }
}

/// Tests/Fixtures/clip_frames.*, made by Generators/clip_frames.py.
struct ClipFramesFixture: Decodable {
    let frameCount: Int
    let frameSize: Int
    /// [frameCount, frameSize * frameSize], brightness as libav decoded it.
    let luma: [[Int]]

    static func path(_ name: String) -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Fixtures/\(name)").path
    }

    static let video = path("clip_frames.mp4")

    static func load() throws -> ClipFramesFixture {
        try JSONDecoder().decode(
            ClipFramesFixture.self,
            from: Data(contentsOf: URL(fileURLWithPath: path("clip_frames.json"))))
    }
}

/// Frames in four flat colours, by corner, that are told apart after compression.
struct CornerPicture {
    static let colours: [[UInt8]] = [
        [200, 60, 60], [60, 180, 60], [60, 60, 200], [190, 190, 60],
    ]

    let width: Int
    let height: Int

    /// Shapes: [height, width, 3]; corners from the top left, row by row.
    var rgb: [UInt8] {
        (0..<height).flatMap { y in
            (0..<width).flatMap { x in
                Self.colours[(y * 2 >= height ? 2 : 0) + (x * 2 >= width ? 1 : 0)]
            }
        }
    }

    /// Which colour is nearest to the pixel in the middle of each quarter of a square picture.
    static func corners(of picture: ArraySlice<UInt8>, side: Int) -> [Int] {
        [(1, 1), (1, 3), (3, 1), (3, 3)].map { (vertical, horizontal) in
            let y = vertical * side / 4
            let x = horizontal * side / 4
            let start = picture.startIndex + 3 * (y * side + x)
            let pixel = picture[start..<start + 3]
            func distance(_ colour: [UInt8]) -> Int {
                zip(pixel, colour).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
            }
            return colours.indices.min { distance(colours[$0]) < distance(colours[$1]) } ?? -1
        }
    }
}

func encode(
    _ pictures: [[UInt8]], to path: String, _ configuration: VideoEncoder.Configuration
) throws {
    let encoder = try VideoEncoder(path: path, configuration)
    for picture in pictures { try picture.withUnsafeBufferPointer { try encoder.append(rgb: $0) } }
    try encoder.finish()
}
