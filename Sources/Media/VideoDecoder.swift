// SPDX-License-Identifier: Apache-2.0
import CFFmpeg

/// Decodes the wanted frames of a video file.
///
/// Every packet is read, which shows a truncated file and gives the exact times, but only the
/// stretches that lead from a key frame to a wanted frame are decoded, and of those only the frames
/// that others refer to. A frame that had to be repaired counts as damaged: never half a picture.
///
/// Determinism: the same bytes on every processor: one thread per clip, and swscale's exact
/// arithmetic.
/// Isolation: any thread, one decoder each.
package struct VideoDecoder {
    /// Shapes: -> [frameCount, frameSize, frameSize, 3], RGB, 8 bits each, rows from the top.
    ///
    /// - Throws: if the file is missing, empty, truncated, damaged or not a video.
    package static func decode(
        path: String, _ specification: FrameSpecification
    ) throws(MediaFailure) -> [UInt8] {
        let source = try VideoSource(MediaFile(path: path))
        let packets = try source.readPackets()
        let plan = DecodingPlan(packets, specification)
        let reader = try FrameReader(source, frameSize: specification.frameSize)
        let pictures = try reader.read(packets, plan)
        var result: [UInt8] = []
        let side = specification.frameSize
        result.reserveCapacity(specification.frameCount * side * side * 3)
        for frame in plan.frames {
            guard let picture = pictures[frame] else {
                throw source.file.failure("decode", "\(frame) is damaged or missing")
            }
            result += picture
        }
        return result
    }
}
