// SPDX-License-Identifier: Apache-2.0
import Tensors

/// The memory of one lane thread, used again for every lane: an arena and a flat gradient.
package final class LaneWorkspace {
    let arena: Arena
    let gradient: FloatVector

    /// - Parameter elementCount: length of the parameter vector.
    package init(elementCount: Int, arena: Arena = Arena()) {
        self.arena = arena
        gradient = FloatVector(count: elementCount)
    }

    func reset() {
        arena.reset()
        gradient.zero()
    }
}
