// SPDX-License-Identifier: Apache-2.0

/// Which packets to decode for which frames.
struct DecodingPlan {
    /// What tells the frames of a clip apart.
    enum FrameKey: Hashable, Sendable, CustomStringConvertible {
        /// Presentation time, in units of the stream.
        case time(Int64)
        /// Place in the order of decoded frames, for streams without usable times.
        case place(Int)

        var description: String {
            switch self {
            case .time(let time): "the frame at time \(time)"
            case .place(let place): "frame \(place)"
            }
        }
    }

    /// One per sample, in order of time; a short clip repeats some.
    let frames: [FrameKey]
    let wanted: Set<FrameKey>
    /// Stretches of packets, each beginning where decoding can begin.
    let ranges: [Range<Int>]
    let usesTimes: Bool

    init(_ packets: PacketList, _ specification: FrameSpecification) {
        if let timeline = packets.timeline() {
            let times = timeline.sampled(specification)
            frames = times.map { .time($0) }
            ranges = Self.ranges(of: packets, for: Set(times))
            usesTimes = true
        } else {
            frames = specification.midpoints(of: packets.count).map { .place($0) }
            ranges = [0..<packets.count]
            usesTimes = false
        }
        wanted = Set(frames)
    }

    /// From a key frame to the last wanted frame before the next one.
    ///
    /// A wanted frame that is shown before its key frame may refer to the stretch before, which is
    /// then decoded too.
    private static func ranges(of packets: PacketList, for wanted: Set<Int64>) -> [Range<Int>] {
        let starts = packets.keyIndices
        var ranges: [Range<Int>] = []
        for (position, start) in starts.enumerated() {
            let end = position + 1 < starts.count ? starts[position + 1] : packets.count
            let hits = (start..<end).filter { packets.time($0).map(wanted.contains) ?? false }
            guard let last = hits.last else { continue }
            let leads = hits.contains { (packets.time($0) ?? 0) < (packets.time(start) ?? 0) }
            ranges.append((leads && position > 0 ? starts[position - 1] : start)..<last + 1)
        }
        return ranges
    }
}
