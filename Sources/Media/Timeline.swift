// SPDX-License-Identifier: Apache-2.0

/// When the frames of a clip are shown, in units of its stream.
struct Timeline: Equatable, Sendable {
    /// Strictly ascending.
    let times: [Int64]
    /// How long the last frame stays; 0 when the file does not say.
    private let lastDuration: Int64

    /// - Returns: nil if no frame is shown, two share a time, or the clip is longer than time goes.
    init?(times: [Int64], lastDuration: Int64) {
        guard let first = times.first, let last = times.last,
            zip(times, times.dropFirst()).allSatisfy({ $0 < $1 }),
            !last.subtractingReportingOverflow(first).overflow,
            !(last - first).addingReportingOverflow(lastDuration).overflow
        else { return nil }
        self.times = times
        self.lastDuration = lastDuration
    }

    /// The time of the frame that is shown in the middle of each part.
    func sampled(_ specification: FrameSpecification) -> [Int64] {
        let first = times[0]
        let span = times[times.count - 1] - first
        let meanDuration = times.count > 1 ? span / Int64(times.count - 1) : 1
        let extent = span.addingReportingOverflow(lastDuration > 0 ? lastDuration : meanDuration)
        return specification.midpoints(of: extent.overflow ? Int(span) : Int(extent.partialValue))
            .map { shown(at: first + Int64($0)) }
    }

    /// The last frame that begins at an instant or before.
    private func shown(at instant: Int64) -> Int64 {
        var (low, high) = (0, times.count)
        while low + 1 < high {
            let middle = (low + high) / 2
            if times[middle] <= instant { low = middle } else { high = middle }
        }
        return times[low]
    }
}
