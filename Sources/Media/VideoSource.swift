// SPDX-License-Identifier: Apache-2.0
import CFFmpeg
import Primitives

/// The video stream of an open file.
///
/// Isolation: one thread.
final class VideoSource {
    /// A clip lasts seconds; what is longer than this is no clip, and must not fill the memory.
    static let packetBytesMax = 512 << 20

    let file: MediaFile
    private var format: UnsafeMutablePointer<AVFormatContext>?
    private(set) var decoder: UnsafePointer<AVCodec>?
    private var streamIndex: CInt = -1

    /// - Throws: if there is no such file, or no video in it.
    init(_ file: MediaFile) throws(MediaFailure) {
        accord_av_quiet()
        self.file = file
        try open()
        try file.check(avformat_find_stream_info(format, nil), "read the streams of")
        streamIndex = try file.check(
            av_find_best_stream(format, AVMEDIA_TYPE_VIDEO, -1, -1, &decoder, 0),
            "find a video stream in")
        if stream.pointee.disposition & AV_DISPOSITION_ATTACHED_PIC != 0 {
            throw file.refusal("find a video stream in", "it has a cover picture only")
        }
    }

    deinit { avformat_close_input(&format) }

    var stream: UnsafeMutablePointer<AVStream> {
        guard let stream = format?.pointee.streams[Int(streamIndex)] else {
            preconditionFailure("stream \(streamIndex) of an open file")
        }
        return stream
    }

    /// Width over height of a pixel of this frame; 0/1 when unknown.
    func pixelAspect(of frame: UnsafeMutablePointer<AVFrame>) -> AVRational {
        av_guess_sample_aspect_ratio(format, stream, frame)
    }

    /// All packets of the stream, in decoding order.
    ///
    /// - Throws: if the file is truncated or has no frames.
    func readPackets() throws(MediaFailure) -> PacketList {
        var packet = av_packet_alloc()
        defer { av_packet_free(&packet) }
        guard let packet else { throw file.outOfMemory("read") }
        let packets = PacketList()
        while true {
            let code = av_read_frame(format, packet)
            if code == accord_av_end { break }
            try file.check(code, "read")
            defer { av_packet_unref(packet) }
            guard packet.pointee.stream_index == streamIndex else { continue }
            guard packet.pointee.flags & AV_PKT_FLAG_CORRUPT == 0 else {
                throw file.failure("read", "frame \(packets.count) is truncated or damaged")
            }
            guard packets.append(packet) else { throw file.outOfMemory("read") }
            guard packets.byteCount <= Self.packetBytesMax else {
                let limit = Self.packetBytesMax >> 20
                throw file.refusal(
                    "read", "it holds more than \(limit) MiB of video; cut it into clips")
            }
        }
        // An mp4 file lists its frames in front or behind; a matroska file lists key frames only.
        let listedCount = Int(avformat_index_get_entries_count(stream))
        guard packets.count >= listedCount else {
            throw file.failure(
                "read", "it is truncated: \(packets.count) of \(listedCount) frames are there")
        }
        guard packets.count > 0 else { throw file.failure("decode", "it has no video frames") }
        return packets
    }

    private func open() throws(MediaFailure) {
        var options: OpaquePointer?
        defer { av_dict_free(&options) }
        // A play list in disguise must not make us fetch anything.
        try file.check(av_dict_set(&options, "protocol_whitelist", "file", 0), "open")
        try file.check(avformat_open_input(&format, file.location, nil, &options), "open")
    }
}
