// SPDX-License-Identifier: Apache-2.0
import CFFmpeg

/// Cuts the centre square out of frames, scales it and turns it upright.
///
/// Cutting before scaling gives the same picture as scaling the short side and cutting afterwards,
/// but touches fewer pixels and bounds the memory for frames of any shape.
///
/// Isolation: one thread.
final class FrameScaler {
    private let source: VideoSource
    private let frameSize: Int
    /// Clockwise, 0, 90, 180 or 270 degrees.
    private let rotation: Int
    /// swscale writes whole vectors, so rows are padded.
    private let stride: Int
    private let scaled: UnsafeMutablePointer<UInt8>
    private var context: OpaquePointer?

    init(_ source: VideoSource, frameSize: Int) {
        self.source = source
        self.frameSize = frameSize
        rotation = Int(accord_av_rotation(source.stream))
        stride = (frameSize * 3 + 63) / 64 * 64
        scaled = .allocate(capacity: stride * frameSize + 64)
        scaled.initialize(repeating: 0, count: stride * frameSize + 64)
    }

    deinit {
        sws_freeContext(context)
        scaled.deallocate()
    }

    /// Shapes: -> [frameSize, frameSize, 3]. The frame itself is cut.
    func scale(_ frame: UnsafeMutablePointer<AVFrame>) throws(MediaFailure) -> [UInt8] {
        guard frame.pointee.width > 0, frame.pointee.height > 0 else {
            throw source.file.failure("decode", "it has an empty frame")
        }
        try cut(frame)
        let size = CInt(frameSize)
        context = sws_getCachedContext(
            context, frame.pointee.width, frame.pointee.height,
            AVPixelFormat(frame.pointee.format), size, size, AV_PIX_FMT_RGB24,
            accord_sws_exact_area, nil, nil, nil)
        guard context != nil else {
            throw source.file.failure(
                "scale", "pixel format \(frame.pointee.format) is not supported")
        }
        try source.file.check(accord_sws_set_colours(context, frame), "scale")
        try convert(frame)
        return upright()
    }

    /// Narrows the frame to its centre square, as seen on a screen with square pixels.
    private func cut(_ frame: UnsafeMutablePointer<AVFrame>) throws(MediaFailure) {
        let (width, height) = (Int(frame.pointee.width), Int(frame.pointee.height))
        var (kept, keptRows) = (min(width, height), min(width, height))
        let aspect = source.pixelAspect(of: frame)
        if aspect.num > 0, aspect.den > 0, aspect.num != aspect.den {
            let (across, down) = (Int(aspect.num), Int(aspect.den))
            keptRows = max(1, min(height, width * across / down))
            kept = max(1, min(width, height * down / across))
        }
        // Even, so that the colour planes of 4:2:0 stay aligned with the brightness.
        let left = (width - kept) / 2 & ~1
        let top = (height - keptRows) / 2 & ~1
        frame.pointee.crop_left = left
        frame.pointee.crop_right = width - kept - left
        frame.pointee.crop_top = top
        frame.pointee.crop_bottom = height - keptRows - top
        try source.file.check(
            av_frame_apply_cropping(frame, CInt(AV_FRAME_CROP_UNALIGNED)), "cut")
    }

    private func convert(_ frame: UnsafeMutablePointer<AVFrame>) throws(MediaFailure) {
        let data = frame.pointee.data
        let lines = frame.pointee.linesize
        let sources: [UnsafePointer<UInt8>?] = [
            UnsafePointer(data.0), UnsafePointer(data.1), UnsafePointer(data.2),
            UnsafePointer(data.3),
        ]
        let sourceStrides = [lines.0, lines.1, lines.2, lines.3]
        let targets: [UnsafeMutablePointer<UInt8>?] = [scaled, nil, nil, nil]
        let strides: [CInt] = [CInt(stride), 0, 0, 0]
        let rowCount = sws_scale(
            context, sources, sourceStrides, 0, frame.pointee.height, targets, strides)
        try source.file.check(rowCount, "scale")
        guard Int(rowCount) == frameSize else {
            throw source.file.failure("scale", "\(rowCount) of \(frameSize) rows came out")
        }
    }

    private func upright() -> [UInt8] {
        let last = frameSize - 1
        return [UInt8](unsafeUninitializedCapacity: frameSize * frameSize * 3) { target, count in
            guard let base = target.baseAddress else { return }
            count = frameSize * frameSize * 3
            for row in 0..<frameSize {
                let rowStart = base + row * frameSize * 3
                if rotation == 0 {
                    rowStart.initialize(from: scaled + row * stride, count: frameSize * 3)
                    continue
                }
                for column in 0..<frameSize {
                    // Where the pixel that ends up at (row, column) stands before the rotation.
                    let (y, x) =
                        switch rotation {
                        case 90: (last - column, row)
                        case 180: (last - row, last - column)
                        default: (column, last - row)
                        }
                    (rowStart + column * 3).initialize(from: scaled + y * stride + x * 3, count: 3)
                }
            }
        }
    }
}
