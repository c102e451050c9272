// SPDX-License-Identifier: Apache-2.0
import CFFmpeg

/// The decoder of one stream.
///
/// Isolation: one thread.
final class FrameReader {
    private let source: VideoSource
    private let scaler: FrameScaler
    private var codec: UnsafeMutablePointer<AVCodecContext>?
    private var frame: UnsafeMutablePointer<AVFrame>?
    private var decodedCount = 0

    init(_ source: VideoSource, frameSize: Int) throws(MediaFailure) {
        self.source = source
        scaler = FrameScaler(source, frameSize: frameSize)
        codec = avcodec_alloc_context3(source.decoder)
        frame = av_frame_alloc()
        guard let codec, frame != nil else { throw source.file.outOfMemory("decode") }
        try check(avcodec_parameters_to_context(codec, source.stream.pointee.codecpar))
        codec.pointee.thread_count = 1
        codec.pointee.flags |= AV_CODEC_FLAG_BITEXACT
        codec.pointee.err_recognition = AV_EF_EXPLODE
        codec.pointee.pkt_timebase = source.stream.pointee.time_base
        try check(avcodec_open2(codec, source.decoder, nil))
    }

    deinit {
        av_frame_free(&frame)
        avcodec_free_context(&codec)
    }

    /// Shapes: each picture is [frameSize, frameSize, 3].
    func read(
        _ packets: PacketList, _ plan: DecodingPlan
    ) throws(MediaFailure) -> [DecodingPlan.FrameKey: [UInt8]] {
        var pictures: [DecodingPlan.FrameKey: [UInt8]] = [:]
        for range in plan.ranges {
            avcodec_flush_buffers(codec)
            for index in range {
                codec?.pointee.skip_frame = discard(packets.time(index), plan)
                try check(avcodec_send_packet(codec, packets[index]))
                try receive(plan, &pictures)
            }
            try check(avcodec_send_packet(codec, nil))
            try receive(plan, &pictures)
        }
        return pictures
    }

    /// A frame that nobody wants and nothing refers to need not be decoded.
    private func discard(_ time: Int64?, _ plan: DecodingPlan) -> AVDiscard {
        guard plan.usesTimes, let time else { return AVDISCARD_DEFAULT }
        return plan.wanted.contains(.time(time)) ? AVDISCARD_DEFAULT : AVDISCARD_NONREF
    }

    private func receive(
        _ plan: DecodingPlan, _ pictures: inout [DecodingPlan.FrameKey: [UInt8]]
    ) throws(MediaFailure) {
        while let frame {
            let code = avcodec_receive_frame(codec, frame)
            if code == accord_av_again || code == accord_av_end { return }
            try check(code)
            defer { av_frame_unref(frame) }
            let key: DecodingPlan.FrameKey =
                plan.usesTimes ? .time(frame.pointee.pts) : .place(decodedCount)
            decodedCount += 1
            guard plan.wanted.contains(key), pictures[key] == nil else { continue }
            guard frame.pointee.decode_error_flags == 0,
                frame.pointee.flags & AV_FRAME_FLAG_CORRUPT == 0
            else { throw source.file.failure("decode", "\(key) is damaged") }
            pictures[key] = try scaler.scale(frame)
        }
    }

    private func check(_ code: CInt) throws(MediaFailure) {
        try source.file.check(code, "decode")
    }
}
