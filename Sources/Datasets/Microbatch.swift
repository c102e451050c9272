// SPDX-License-Identifier: Apache-2.0
import Primitives

/// The sampled frames of one clip.
package struct DecodedClip: Sendable, Equatable {
    /// [F, S, S, 3], RGB, 8 bits each.
    package let frames: [UInt8]
    package let frameCount: Int

    package init(frames: [UInt8], frameCount: Int) {
        self.frames = frames
        self.frameCount = frameCount
    }
}

/// One row of a microbatch.
package struct ClipRow: Sendable, Equatable {
    /// Index into the collection.
    package let clipIndex: Int
    /// Nil when the clip has no frames.
    package let frames: DecodedClip?
    /// Empty when the clip has no text.
    package let tokens: [Int32]

    package init(clipIndex: Int, frames: DecodedClip?, tokens: [Int32]) {
        self.clipIndex = clipIndex
        self.frames = frames
        self.tokens = tokens
    }
}

/// What one lane sees at one step.
package struct Microbatch: Sendable, Equatable {
    package let step: Step
    package let lane: Int
    /// In sample order; masked clips are left out.
    package let rows: [ClipRow]
    /// Rows that the sample order gave this lane, masked ones included.
    package let plannedRowCount: Int
    /// Rows of all lanes of the step, masked ones included: the divisor of the losses.
    package let plannedRowCountOfStep: Int

    package init(
        step: Step, lane: Int, rows: [ClipRow], plannedRowCount: Int, plannedRowCountOfStep: Int
    ) {
        self.step = step
        self.lane = lane
        self.rows = rows
        self.plannedRowCount = plannedRowCount
        self.plannedRowCountOfStep = plannedRowCountOfStep
    }
}

/// A clip whose frames could not be had. It is masked once the coordinator has recorded it.
package struct UnreadableClip: Error, Sendable, Equatable {
    /// Index into the collection.
    package let clipIndex: Int
    package let path: String
    package let reason: String

    package init(clipIndex: Int, path: String, reason: String) {
        self.clipIndex = clipIndex
        self.path = path
        self.reason = reason
    }
}

/// The answer to a request for a microbatch.
package enum LoadOutcome: Sendable, Equatable {
    case microbatch(Microbatch)
    /// In sample order, never empty: load again with these masked, once they are recorded.
    case unreadable([UnreadableClip])
    /// The loader was shut down while the request waited.
    case stopped
}
