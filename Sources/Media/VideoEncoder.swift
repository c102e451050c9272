// SPDX-License-Identifier: Apache-2.0
import CFFmpeg
import Primitives

/// Writes an H.264 mp4 file from RGB frames.
///
/// Determinism: equal frames give equal bytes with one version of the libraries: one thread, no
/// time stamps of the day, no processor-dependent arithmetic.
/// Isolation: one thread.
package final class VideoEncoder {
    package struct Configuration: Sendable, Equatable {
        /// Even and positive, as 4:2:0 asks.
        package var width: Int
        /// Even and positive.
        package var height: Int
        package var framesPerSecond: Int
        /// Quality of x264, 0 (lossless) to 51; 23 is its default.
        package var constantRateFactor = 26
        /// Seconds from one key frame to the next.
        package var keyFrameIntervalSeconds = 2
        /// How a player turns the pictures, clockwise: 0, 90, 180 or 270 degrees.
        package var rotationDegrees = 0

        package init(width: Int, height: Int, framesPerSecond: Int) {
            self.width = width
            self.height = height
            self.framesPerSecond = framesPerSecond
        }
    }

    private let file: MediaFile
    private let configuration: Configuration
    private var format: UnsafeMutablePointer<AVFormatContext>?
    private var codec: UnsafeMutablePointer<AVCodecContext>?
    private var stream: UnsafeMutablePointer<AVStream>?
    private var packet: UnsafeMutablePointer<AVPacket>?
    private var frame: UnsafeMutablePointer<AVFrame>?
    private var scaler: OpaquePointer?
    private var frameCount: Int64 = 0

    /// Creates the file, replacing what was there.
    package init(path: String, _ configuration: Configuration) throws(MediaFailure) {
        precondition(
            configuration.width > 0 && configuration.width.isMultiple(of: 2)
                && configuration.height > 0 && configuration.height.isMultiple(of: 2),
            "4:2:0 frames of \(configuration.width) x \(configuration.height)")
        precondition(
            configuration.framesPerSecond > 0,
            "\(configuration.framesPerSecond) frames per second")
        accord_av_quiet()
        file = MediaFile(path: path)
        self.configuration = configuration
        packet = av_packet_alloc()
        frame = av_frame_alloc()
        guard packet != nil, frame != nil else { throw file.outOfMemory("encode") }
        try openCodec()
        try openFile()
    }

    deinit {
        sws_freeContext(scaler)
        av_frame_free(&frame)
        av_packet_free(&packet)
        avcodec_free_context(&codec)
        if let format {
            avio_closep(&format.pointee.pb)
            avformat_free_context(format)
        }
    }

    /// Shapes: rgb [height, width, 3], rows from the top.
    package func append(rgb: UnsafeBufferPointer<UInt8>) throws(MediaFailure) {
        precondition(
            rgb.count == configuration.width * configuration.height * 3,
            "\(rgb.count) bytes for \(configuration.width) x \(configuration.height)")
        guard let frame else { throw file.outOfMemory("encode") }
        try file.check(av_frame_make_writable(frame), "encode")
        convert(rgb, into: frame)
        frame.pointee.pts = frameCount
        frameCount += 1
        try encode(frame)
    }

    /// Writes what is still in the encoder, and the index, and closes the file. Call it once.
    package func finish() throws(MediaFailure) {
        try encode(nil)
        try file.check(av_write_trailer(format), "finish")
        guard let format else { return }
        try file.check(avio_closep(&format.pointee.pb), "finish")
    }

    private func openCodec() throws(MediaFailure) {
        guard let encoder = avcodec_find_encoder_by_name("libx264"),
            let codec = avcodec_alloc_context3(encoder)
        else { throw file.failure("encode", "libavcodec has no libx264 encoder") }
        self.codec = codec
        let rate = CInt(configuration.framesPerSecond)
        codec.pointee.width = CInt(configuration.width)
        codec.pointee.height = CInt(configuration.height)
        codec.pointee.pix_fmt = AV_PIX_FMT_YUV420P
        codec.pointee.time_base = AVRational(num: 1, den: rate)
        codec.pointee.framerate = AVRational(num: rate, den: 1)
        codec.pointee.gop_size = CInt(configuration.keyFrameIntervalSeconds) * rate
        codec.pointee.max_b_frames = 0
        codec.pointee.thread_count = 1
        codec.pointee.flags |= AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_BITEXACT
        let options = [
            ("preset", "ultrafast"), ("crf", String(configuration.constantRateFactor)),
        ]
        for (name, value) in options {
            try file.check(av_opt_set(codec.pointee.priv_data, name, value, 0), "encode")
        }
        try file.check(avcodec_open2(codec, encoder, nil), "encode")
        try openFrame(codec)
    }

    private func openFrame(_ codec: UnsafeMutablePointer<AVCodecContext>) throws(MediaFailure) {
        let (width, height) = (codec.pointee.width, codec.pointee.height)
        frame?.pointee.format = AV_PIX_FMT_YUV420P.rawValue
        frame?.pointee.width = width
        frame?.pointee.height = height
        try file.check(av_frame_get_buffer(frame, 0), "encode")
        scaler = sws_getContext(
            width, height, AV_PIX_FMT_RGB24, width, height, AV_PIX_FMT_YUV420P,
            accord_sws_exact_area, nil, nil, nil)
        guard scaler != nil else { throw file.outOfMemory("encode") }
    }

    private func openFile() throws(MediaFailure) {
        try file.check(
            avformat_alloc_output_context2(&format, nil, "mp4", file.location), "create")
        guard let format, let codec, let stream = avformat_new_stream(format, nil) else {
            throw file.outOfMemory("create")
        }
        self.stream = stream
        format.pointee.flags |= AVFMT_FLAG_BITEXACT
        stream.pointee.time_base = codec.pointee.time_base
        stream.pointee.avg_frame_rate = codec.pointee.framerate
        try file.check(
            avcodec_parameters_from_context(stream.pointee.codecpar, codec), "create")
        if configuration.rotationDegrees != 0 {
            try file.check(
                accord_av_set_rotation(stream, CInt(configuration.rotationDegrees)), "create")
        }
        try file.check(
            avio_open(&format.pointee.pb, file.location, AVIO_FLAG_WRITE), "create")
        try file.check(avformat_write_header(format, nil), "create")
    }

    private func convert(
        _ rgb: UnsafeBufferPointer<UInt8>, into frame: UnsafeMutablePointer<AVFrame>
    ) {
        let sources: [UnsafePointer<UInt8>?] = [rgb.baseAddress, nil, nil, nil]
        let sourceStrides: [CInt] = [CInt(configuration.width * 3), 0, 0, 0]
        let data = frame.pointee.data
        let lines = frame.pointee.linesize
        let targets = [data.0, data.1, data.2, data.3]
        let strides = [lines.0, lines.1, lines.2, lines.3]
        _ = sws_scale(
            scaler, sources, sourceStrides, 0, CInt(configuration.height), targets, strides)
    }

    private func encode(_ picture: UnsafeMutablePointer<AVFrame>?) throws(MediaFailure) {
        try file.check(avcodec_send_frame(codec, picture), "encode")
        while true {
            let code = avcodec_receive_packet(codec, packet)
            if code == accord_av_again || code == accord_av_end { return }
            try file.check(code, "encode")
            guard let packet, let codec, let stream else { return }
            packet.pointee.duration = 1
            av_packet_rescale_ts(packet, codec.pointee.time_base, stream.pointee.time_base)
            packet.pointee.stream_index = stream.pointee.index
            try file.check(av_interleaved_write_frame(format, packet), "write")
        }
    }
}
