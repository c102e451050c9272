// SPDX-License-Identifier: Apache-2.0
import Primitives

/// Which frames of a clip are wanted, and how large.
///
/// Frames are sampled uniformly: what is shown in the middle of each of `frameCount` equal parts of
/// the clip. The short side is scaled to `frameSize` and the centre is cut out.
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

    /// Floor of (2 i + 1) * extent / (2 frameCount) for each i: positions among `extent` frames in
    /// order of time (short clips repeat frames), or instants of a clip of `extent` time units.
    ///
    /// - Precondition: extent >= 0; nothing overflows, however large it is.
    package func midpoints(of extent: Int) -> [Int] {
        let parts = 2 * frameCount
        let (quotient, remainder) = extent.quotientAndRemainder(dividingBy: parts)
        return (0..<frameCount).map { index in
            (2 * index + 1) * quotient + (2 * index + 1) * remainder / parts
        }
    }
}
