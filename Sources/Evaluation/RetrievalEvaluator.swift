// SPDX-License-Identifier: Apache-2.0
import Datasets
import Objectives

/// Retrieval over a held-out collection that arrives in pieces, in any grouping.
///
/// Isolation: one thread.
package struct RetrievalEvaluator {
    private let encoder: ClipEncoder
    package private(set) var vectors: [ClipVectors] = []

    package init(_ encoder: ClipEncoder) { self.encoder = encoder }

    package mutating func add(_ rows: [ClipRow]) { vectors += encoder.encode(rows) }

    /// Cost: O(clips² x projectionWidth).
    package func metrics(
        _ first: ClipView = .text, _ second: ClipView = .video
    ) -> RetrievalMetrics { RetrievalMetrics(vectors, first, second) }

    package func geometry() -> EmbeddingGeometry? { EmbeddingGeometry(vectors) }
}
