// SPDX-License-Identifier: Apache-2.0
import Tensors
import Testing

struct ArenaTests {
    @Test func tensorsAreAlignedAndDoNotOverlap() {
        let arena = Arena(chunkFloats: 256)
        defer { withExtendedLifetime(arena) {} }
        let tensors = [1, 0, 15, 16, 17, 300, 200, 64].map { arena.allocate([$0]) }
        for (index, tensor) in tensors.enumerated() {
            for element in 0..<tensor.count { tensor.data[element] = Float(index) }
        }

        for (index, tensor) in tensors.enumerated() {
            #expect(Int(bitPattern: tensor.data).isMultiple(of: 64))
            #expect(tensor.elements.allSatisfy { $0 == Float(index) })
        }
    }

    @Test func afterAResetTheSameMemoryIsHandedOut() {
        let arena = Arena(chunkFloats: 128)
        func places() -> [UnsafeMutablePointer<Float>] {
            [100, 100, 500, 3].map { arena.allocate([$0]).data }
        }
        let first = places()
        let peak = arena.peakBytes
        arena.reset()

        #expect(places() == first)
        #expect(arena.peakBytes == peak)
        #expect(peak >= (112 + 112 + 512 + 16) * 4)
    }

    @Test func zeroedMemoryIsZeroAlsoTheSecondTime() {
        let arena = Arena()
        defer { withExtendedLifetime(arena) {} }
        arena.allocate([50]).data.update(repeating: 7, count: 50)
        arena.reset()

        #expect(arena.allocateZeroed([5, 10]).elements.allSatisfy { $0 == 0 })
    }

    @Test func rowsAndShapesAreViews() {
        let arena = Arena()
        defer { withExtendedLifetime(arena) {} }
        let tensor = arena.allocateZeroed([4, 3])
        tensor.rows(1..<3).data[0] = 5

        #expect(tensor.data[3] == 5)
        #expect(tensor.rows(1..<3).shape == [2, 3])
        #expect(tensor.reshaped([2, 6]).rowCount == 2 && tensor.reshaped([2, 6]).columnCount == 6)
    }
}
