// SPDX-License-Identifier: Apache-2.0
import Models
import Primitives
import Tensors
import Testing

/// Patches against the index arithmetic of a convolution whose stride is its kernel.
@Suite struct ImagePatchesTests {
    private let arena = Arena()

    /// The element of a kernel [channel, row, column] at patch (gridRow, gridColumn) of [C, H, W].
    private func expected(
        _ patch: Int, _ element: Int, columns: Int, patchSize: Int, _ height: Int, _ width: Int
    ) -> (channel: Int, y: Int, x: Int) {
        let (channel, inner) = element.quotientAndRemainder(dividingBy: patchSize * patchSize)
        return (
            channel, patch / columns * patchSize + inner / patchSize,
            patch % columns * patchSize + inner % patchSize
        )
    }

    @Test(arguments: [(4, 8, 12), (16, 32, 32), (32, 64, 32)])
    func planesAreCutAsTheConvolutionSeesThem(_ patchSize: Int, _ height: Int, _ width: Int) {
        let images = arena.allocate([2, 3, height, width])
        for index in 0..<images.count { images.data[index] = Float(index) }
        let patches = ImagePatches(ofPlanes: images, patchSize: patchSize, arena: arena)
        let columns = width / patchSize

        #expect(patches.gridRows == height / patchSize && patches.gridColumns == columns)
        let elementCount = 3 * patchSize * patchSize
        #expect(patches.pixels.shape == [2 * patches.patchCount, elementCount])
        var wrongCount = 0
        for row in 0..<patches.pixels.rowCount {
            let (image, patch) = row.quotientAndRemainder(dividingBy: patches.patchCount)
            for element in 0..<elementCount {
                let place = expected(
                    patch, element, columns: columns, patchSize: patchSize, height, width)
                let index = ((image * 3 + place.channel) * height + place.y) * width + place.x
                if patches.pixels.data[row * elementCount + element] != Float(index) {
                    wrongCount += 1
                }
            }
        }
        #expect(wrongCount == 0)
    }

    /// Interleaved bytes give what their normalised planes give.
    @Test func framesAreNormalizedAndPutIntoPlanes() {
        var generator = SeededGenerator(seed: 5, purpose: .testing)
        let (size, count) = (8, 2)
        let bytes = (0..<count * size * size * 3).map { _ in UInt8(generator.next(below: 256)) }
        // Radford et al. 2021, the statistics of CLIP's preprocessing.
        let means = [0.48145466, 0.4578275, 0.40821073]
        let deviations = [0.26862954, 0.26130258, 0.27577711]
        let planes = arena.allocate([count, 3, size, size])
        for (index, byte) in bytes.enumerated() {
            let (pixel, channel) = index.quotientAndRemainder(dividingBy: 3)
            let (image, place) = pixel.quotientAndRemainder(dividingBy: size * size)
            planes.data[(image * 3 + channel) * size * size + place] = Float(
                (Double(byte) / 255 - means[channel]) / deviations[channel])
        }

        let found = ImagePatches(ofFrames: bytes, frameSize: size, patchSize: 4, arena: arena)
        let expected = ImagePatches(ofPlanes: planes, patchSize: 4, arena: arena)

        #expect(found.pixels.shape == expected.pixels.shape && found.imageCount == count)
        #expect(
            zip(found.pixels.elements, expected.pixels.elements).allSatisfy { abs($0 - $1) < 1e-6 })
    }
}
