// SPDX-License-Identifier: Apache-2.0
import CFFmpeg

/// Decodes the wanted frames of a video file.
///
/// Determinism: the same bytes on every processor and for every number of threads: one thread per
/// clip, and swscale's exact arithmetic.
/// Isolation: any thread, one decoder each.
package struct VideoDecoder: ~Copyable {
    private let file: MediaFile
    private var format: UnsafeMutablePointer<AVFormatContext>?
    private var codec: UnsafeMutablePointer<AVCodecContext>?
    private var packet: UnsafeMutablePointer<AVPacket>?
    private var frame: UnsafeMutablePointer<AVFrame>?
    private var streamIndex: CInt = -1

    /// Shapes: -> [frameCount, frameSize, frameSize, 3], RGB, 8 bits each.
    package static func decode(
        path: String, _ specification: FrameSpecification
    ) throws(MediaFailure) -> [UInt8] {
        var decoder = VideoDecoder(path: path)
        try decoder.open()
        let packets = try decoder.readPackets()
        return try decoder.decode(packets, specification)
    }

    private init(path: String) {
        accord_av_quiet()
        file = MediaFile(path: path)
        packet = av_packet_alloc()
        frame = av_frame_alloc()
    }

    deinit {
        var (format, codec, packet, frame) = (format, codec, packet, frame)
        av_frame_free(&frame)
        av_packet_free(&packet)
        avcodec_free_context(&codec)
        avformat_close_input(&format)
    }

    private mutating func open() throws(MediaFailure) {
        try file.check(avformat_open_input(&format, file.path, nil, nil), "open")
        try file.check(avformat_find_stream_info(format, nil), "read the streams of")
        var decoder: UnsafePointer<AVCodec>?
        streamIndex = try file.check(
            av_find_best_stream(format, AVMEDIA_TYPE_VIDEO, -1, -1, &decoder, 0),
            "find a video stream in")
        codec = avcodec_alloc_context3(decoder)
        guard let codec, let stream else { throw file.failure("decode", "out of memory") }
        try file.check(
            avcodec_parameters_to_context(codec, stream.pointee.codecpar), "decode")
        codec.pointee.thread_count = 1
        try file.check(avcodec_open2(codec, decoder, nil), "decode")
    }

    private var stream: UnsafeMutablePointer<AVStream>? {
        format?.pointee.streams[Int(streamIndex)]
    }

    /// All packets of the video stream, in decoding order.
    private func readPackets() throws(MediaFailure) -> PacketList {
        let packets = PacketList()
        while true {
            let code = av_read_frame(format, packet)
            if code == accord_av_end { break }
            try file.check(code, "read")
            if packet?.pointee.stream_index == streamIndex { packets.append(packet) }
            av_packet_unref(packet)
        }
        guard packets.count > 0 else { throw file.failure("decode", "it has no video frames") }
        return packets
    }

    private mutating func decode(
        _ packets: PacketList, _ specification: FrameSpecification
    ) throws(MediaFailure) -> [UInt8] {
        let times = packets.times.sorted()
        let wanted = specification.positions(available: times.count).map { times[$0] }
        var scaler = FrameScaler(
            file: file, frameSize: specification.frameSize,
            rotation: stream.map { Int(accord_av_rotation($0)) } ?? 0)
        var pictures: [Int64: [UInt8]] = [:]
        for range in packets.rangesToDecode(for: Set(wanted)) {
            avcodec_flush_buffers(codec)
            try decode(packets, range, Set(wanted), &scaler, &pictures)
        }
        var result: [UInt8] = []
        for time in wanted {
            guard let picture = pictures[time] else {
                throw file.failure("decode", "the frame at time \(time) is damaged or missing")
            }
            result += picture
        }
        return result
    }

    private func decode(
        _ packets: PacketList, _ range: Range<Int>, _ wanted: Set<Int64>,
        _ scaler: inout FrameScaler, _ pictures: inout [Int64: [UInt8]]
    ) throws(MediaFailure) {
        for index in range {
            // A frame that nobody wants and nothing refers to need not be decoded.
            codec?.pointee.skip_frame =
                wanted.contains(packets.times[index]) ? AVDISCARD_DEFAULT : AVDISCARD_NONREF
            try file.check(avcodec_send_packet(codec, packets[index]), "decode")
            try receive(wanted, &scaler, &pictures)
        }
        try file.check(avcodec_send_packet(codec, nil), "decode")
        try receive(wanted, &scaler, &pictures)
    }

    private func receive(
        _ wanted: Set<Int64>, _ scaler: inout FrameScaler, _ pictures: inout [Int64: [UInt8]]
    ) throws(MediaFailure) {
        while true {
            let code = avcodec_receive_frame(codec, frame)
            if code == accord_av_again || code == accord_av_end { return }
            try file.check(code, "decode")
            guard let frame else { return }
            let time =
                frame.pointee.pts == accord_av_no_pts ? frame.pointee.pkt_dts : frame.pointee.pts
            if wanted.contains(time), pictures[time] == nil {
                pictures[time] = try scaler.scale(frame)
            }
            av_frame_unref(frame)
        }
    }
}

/// The compressed frames of one stream.
private final class PacketList {
    private var packets: [UnsafeMutablePointer<AVPacket>?] = []
    /// Presentation time of each packet.
    private(set) var times: [Int64] = []
    private var keyIndices: [Int] = []

    deinit {
        for var packet in packets { av_packet_free(&packet) }
    }

    var count: Int { packets.count }

    subscript(_ index: Int) -> UnsafeMutablePointer<AVPacket>? { packets[index] }

    func append(_ packet: UnsafeMutablePointer<AVPacket>?) {
        guard let packet else { return }
        if packet.pointee.flags & AV_PKT_FLAG_KEY != 0 { keyIndices.append(packets.count) }
        let hasTime = packet.pointee.pts != accord_av_no_pts
        times.append(hasTime ? packet.pointee.pts : packet.pointee.dts)
        packets.append(av_packet_clone(packet))
    }

    /// Stretches from a key frame to the last wanted frame before the next one.
    ///
    /// A wanted frame that is shown before its key frame refers to the stretch before, which is
    /// then decoded too.
    func rangesToDecode(for wanted: Set<Int64>) -> [Range<Int>] {
        let starts = keyIndices.first == 0 ? keyIndices : [0] + keyIndices
        var ranges: [Range<Int>] = []
        for (position, start) in starts.enumerated() {
            let end = position + 1 < starts.count ? starts[position + 1] : packets.count
            guard let last = (start..<end).last(where: { wanted.contains(times[$0]) }) else {
                continue
            }
            let leads = (start..<end).contains { wanted.contains(times[$0]) && times[$0] < times[start] }
            let first = leads && position > 0 ? starts[position - 1] : start
            ranges.append(first..<last + 1)
        }
        return ranges
    }
}
