// SPDX-License-Identifier: Apache-2.0

/// What was refused, and what of it was told already.
struct StrangerCount {
    /// Messages of one worker that claimed to be another.
    var refusedMessageCount: UInt64 = 0
    private var told: UInt64 = 0

    /// A sentence if there is something new; to be asked about once a second.
    ///
    /// - Parameter handshakes: connections that came to nothing, so far.
    mutating func news(_ handshakes: UInt64) -> String? {
        guard handshakes + refusedMessageCount > told else { return nil }
        told = handshakes + refusedMessageCount
        var sentences: [String] = []
        if handshakes > 0 {
            sentences.append(
                "refused \(handshakes) connections so far: wrong or unknown keys, or no peers")
        }
        if refusedMessageCount > 0 {
            sentences.append(
                "refused \(refusedMessageCount) messages of workers that claimed to be others")
        }
        return sentences.joined(separator: "; ")
    }
}
