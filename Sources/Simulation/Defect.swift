// SPDX-License-Identifier: Apache-2.0

/// A fault of the program itself, planted by a test to see a checker find it.
package enum Defect: CaseIterable, Sendable {
    /// A lane counts twice in the sums.
    case doublesLane
    /// Lanes are computed that others have.
    case takesForeignLanes
    /// A summary does not name all clips.
    case losesClip
    /// Frames of older generations count.
    case takesOldFrames
    /// The coordinator tells before it writes.
    case announcesBeforePersisting
    /// A step is written twice.
    case commitsTwice
    /// Snapshots are never forgotten.
    case hoardsSnapshots
    /// Nothing is exchanged any more once everything has healed.
    case stallsWhenHealed
}
