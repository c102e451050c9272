// SPDX-License-Identifier: Apache-2.0

/// Which frames of a clip are wanted, and how large.
///
/// Frames are sampled uniformly: the middle frame of each of `frameCount` equal parts. The short
/// side is scaled to `frameSize` and the centre is cut out: [frameCount, frameSize, frameSize, 3].
package struct FrameSpecification: Hashable, Sendable {
    package let frameCount: Int
    /// Pixels along one side.
    package let frameSize: Int

    package init(frameCount: Int, frameSize: Int) {
        precondition(
            frameCount > 0 && frameSize > 0, "\(frameCount) frames of \(frameSize) pixels")
        self.frameCount = frameCount
        self.frameSize = frameSize
    }

    /// Positions among `available` frames in order of time; short clips repeat frames.
    package func positions(available: Int) -> [Int] {
        (0..<frameCount).map { (2 * $0 + 1) * available / (2 * frameCount) }
    }
}
