// SPDX-License-Identifier: Apache-2.0
import Collectives
import Primitives

/// Frames of generations that this worker has not begun. Isolation: the data-plane thread.
struct EarlyFrames {
    private(set) var all: [ExchangeFrame] = []
    private var byteCount = 0

    /// - Returns: false when there is no room.
    mutating func keep(_ frame: ExchangeFrame, bytesMax: Int) -> Bool {
        // Many small ones take memory, too.
        let bytes = frame.payload.count + 256
        guard byteCount + bytes <= bytesMax else { return false }
        byteCount += bytes
        all.append(frame)
        return true
    }
}
