// SPDX-License-Identifier: Apache-2.0
import Media
import Testing

@Suite struct FrameSpecificationTests {
    @Test(arguments: [(1, 10), (4, 10), (4, 4), (7, 3), (3, 0), (16, 1_000_003)])
    func midpointsAreThoseOfTheFormula(_ frameCount: Int, _ extent: Int) {
        let found = FrameSpecification(frameCount: frameCount, frameSize: 8).midpoints(of: extent)
        #expect(found == (0..<frameCount).map { (2 * $0 + 1) * extent / (2 * frameCount) })
    }

    @Test func nothingOverflows() {
        let found = FrameSpecification(frameCount: 3, frameSize: 8).midpoints(of: .max)
        // The middle of the middle part is the middle of all.
        #expect(found[1] == Int.max / 2)
        #expect(found == found.sorted())
    }
}
