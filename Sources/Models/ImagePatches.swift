// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives
import Tensors

/// Images cut into patches as CLIP's convolution sees them: each patch is [channel, row, column].
///
/// The tower's own frames interleave the channels; the kernel of the publisher does not, so pixels
/// change their order here and parameters stay as they are in the file.
package struct ImagePatches {
    /// [B P, 3 p p], patches of an image row by row.
    package let pixels: Tensor
    package let imageCount: Int
    package let gridRows: Int
    package let gridColumns: Int

    package var patchCount: Int { gridRows * gridColumns }

    /// Of normalised channel-first images [B, 3, height, width].
    ///
    /// - Precondition: height and width are multiples of the patch.
    package init(ofPlanes images: Tensor, patchSize: Int, arena: Arena) {
        precondition(
            images.shape.count == 4 && images.shape[1] == 3, "\(images.shape) is not [B, 3, H, W]")
        let (height, width) = (images.shape[2], images.shape[3])
        self.init(
            imageCount: images.shape[0], height: height, width: width, patchSize: patchSize, arena)
        let planeFloats = height * width
        for image in 0..<imageCount {
            forEachPatchRow(patchSize) { patch, row, y, x in
                for channel in 0..<3 {
                    let source =
                        images.data
                        + (image * 3 + channel) * planeFloats + y * width + x
                    place(image, patch, patchSize, channel: channel, row)
                        .update(from: source, count: patchSize)
                }
            }
        }
    }

    /// Of decoded frames [B, S, S, 3] of bytes, which are normalised with CLIP's statistics.
    ///
    /// - Precondition: S is a multiple of the patch.
    package init(ofFrames bytes: [UInt8], frameSize: Int, patchSize: Int, arena: Arena) {
        let frameBytes = frameSize * frameSize * 3
        precondition(
            bytes.count.isMultiple(of: frameBytes),
            "\(bytes.count) bytes are not frames of \(frameBytes)")
        self.init(
            imageCount: bytes.count / frameBytes, height: frameSize, width: frameSize,
            patchSize: patchSize, arena)
        let interleaved = arena.allocate([3 * patchSize])
        bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            for image in 0..<imageCount {
                forEachPatchRow(patchSize) { patch, row, y, x in
                    accord_normalize_pixels(
                        base + image * frameBytes + (y * frameSize + x) * 3, interleaved.data,
                        3 * patchSize, VisionTower.channelMeans, VisionTower.channelDeviations)
                    for channel in 0..<3 {
                        let target = place(image, patch, patchSize, channel: channel, row)
                        for column in 0..<patchSize {
                            target[column] = interleaved.data[3 * column + channel]
                        }
                    }
                }
            }
        }
    }

    private init(imageCount: Int, height: Int, width: Int, patchSize: Int, _ arena: Arena) {
        precondition(
            height.isMultiple(of: patchSize) && width.isMultiple(of: patchSize),
            "images of \(height) x \(width) pixels, patches of \(patchSize)")
        self.imageCount = imageCount
        gridRows = height / patchSize
        gridColumns = width / patchSize
        pixels = arena.allocate([imageCount * gridRows * gridColumns, 3 * patchSize * patchSize])
    }

    /// Every row of pixels of every patch of an image, and where in the image it begins.
    private func forEachPatchRow(
        _ patchSize: Int, _ body: (_ patch: Int, _ row: Int, _ y: Int, _ x: Int) -> Void
    ) {
        for gridRow in 0..<gridRows {
            for gridColumn in 0..<gridColumns {
                for row in 0..<patchSize {
                    body(
                        gridRow * gridColumns + gridColumn, row, gridRow * patchSize + row,
                        gridColumn * patchSize)
                }
            }
        }
    }

    private func place(
        _ image: Int, _ patch: Int, _ patchSize: Int, channel: Int, _ row: Int
    ) -> UnsafeMutablePointer<Float> {
        pixels.data + (image * patchCount + patch) * pixels.columnCount
            + (channel * patchSize + row) * patchSize
    }
}
