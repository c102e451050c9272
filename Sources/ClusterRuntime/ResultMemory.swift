// SPDX-License-Identifier: Apache-2.0
import Collectives

/// The memory of reduced results, used again and again: new memory of this size would have to be
/// mapped page by page in every step.
///
/// Isolation: the data-plane thread takes; whoever holds a vector keeps it from being taken again.
final class ResultMemory {
    private let elementCount: Int
    private var vectors: [IntVector] = []

    init(elementCount: Int) { self.elementCount = elementCount }

    /// A vector that nobody else holds, with whatever is in it.
    func take() -> IntVector {
        for index in vectors.indices where isKnownUniquelyReferenced(&vectors[index]) {
            return vectors[index]
        }
        let vector = IntVector(count: elementCount)
        vectors.append(vector)
        return vector
    }
}
