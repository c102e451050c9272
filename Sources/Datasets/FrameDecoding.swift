// SPDX-License-Identifier: Apache-2.0
import Media

/// Where frames come from; a parameter of the loader, so that tests can damage clips at will.
package protocol FrameDecoding: Sendable {
    /// Blocks while it reads and decodes. Isolation: any thread, several at a time.
    ///
    /// Shapes: result [F, S, S, 3], RGB, 8 bits each.
    func decode(
        path: String, _ specification: FrameSpecification
    ) throws(MediaFailure) -> [UInt8]
}

/// Frames of real video files.
package struct VideoFileDecoding: FrameDecoding {
    package init() {}

    package func decode(
        path: String, _ specification: FrameSpecification
    ) throws(MediaFailure) -> [UInt8] {
        try VideoDecoder.decode(path: path, specification)
    }
}

extension FrameSpecification {
    /// Bytes of [F, S, S, 3].
    var byteCount: Int { frameCount * frameSize * frameSize * 3 }
}
