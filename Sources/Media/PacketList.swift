// SPDX-License-Identifier: Apache-2.0
import CFFmpeg

/// The compressed frames of one stream, in decoding order.
///
/// Isolation: one thread.
final class PacketList {
    /// What stands beside each packet.
    private struct Entry {
        let packet: UnsafeMutablePointer<AVPacket>
        /// Presentation time in units of the stream; nil when the file does not say.
        let time: Int64?
        let duration: Int64
        let isKey: Bool
        /// False for frames that only others refer to, for example before the cut of an edit list.
        let isShown: Bool
    }

    private var entries: [Entry] = []
    private(set) var byteCount = 0

    deinit {
        for entry in entries {
            var packet: UnsafeMutablePointer<AVPacket>? = entry.packet
            av_packet_free(&packet)
        }
    }

    var count: Int { entries.count }

    subscript(_ index: Int) -> UnsafeMutablePointer<AVPacket> { entries[index].packet }

    /// Keeps a reference to the packet's bytes.
    ///
    /// - Returns: false when memory is short.
    func append(_ packet: UnsafeMutablePointer<AVPacket>) -> Bool {
        guard let copy = av_packet_clone(packet) else { return false }
        entries.append(
            Entry(
                packet: copy,
                time: copy.pointee.pts == accord_av_no_time ? nil : copy.pointee.pts,
                duration: max(0, copy.pointee.duration),
                isKey: copy.pointee.flags & AV_PKT_FLAG_KEY != 0,
                isShown: copy.pointee.flags & AV_PKT_FLAG_DISCARD == 0))
        byteCount += Int(copy.pointee.size)
        return true
    }

    /// Presentation time of a packet, nil when unknown.
    func time(_ index: Int) -> Int64? { entries[index].time }

    /// Where decoding can begin, ascending.
    var keyIndices: [Int] {
        let keys = entries.indices.filter { entries[$0].isKey }
        return keys.isEmpty ? [0] : keys
    }

    /// The frames that can be shown, in order of time; nil unless each has a time of its own.
    func timeline() -> Timeline? {
        guard let first = keyIndices.first, let begin = entries[first].time else { return nil }
        var times: [Int64] = []
        times.reserveCapacity(count)
        var last: (time: Int64, duration: Int64)?
        for entry in entries[first...] {
            guard let time = entry.time else { return nil }
            // What is shown before the first key frame refers to frames that are not in the file.
            guard entry.isShown, time >= begin else { continue }
            times.append(time)
            if time >= last?.time ?? .min { last = (time, entry.duration) }
        }
        return Timeline(times: times.sorted(), lastDuration: last?.duration ?? 0)
    }
}
