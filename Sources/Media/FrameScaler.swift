// SPDX-License-Identifier: Apache-2.0
import CFFmpeg

/// Scales the short side of frames to a size, cuts out the centre and turns it upright.
///
/// Isolation: one thread.
struct FrameScaler: ~Copyable {
    private let file: MediaFile
    private let frameSize: Int
    /// Clockwise, 0, 90, 180 or 270 degrees.
    private let rotation: Int
    private var context: OpaquePointer?
    private var scaled: [UInt8] = []

    init(file: MediaFile, frameSize: Int, rotation: Int) {
        self.file = file
        self.frameSize = frameSize
        self.rotation = rotation
    }

    deinit { sws_freeContext(context) }

    /// Shapes: -> [frameSize, frameSize, 3].
    mutating func scale(
        _ frame: UnsafeMutablePointer<AVFrame>
    ) throws(MediaFailure) -> [UInt8] {
        let (width, height) = (Int(frame.pointee.width), Int(frame.pointee.height))
        guard width > 0, height > 0 else { throw file.failure("decode", "an empty frame") }
        let short = min(width, height)
        // Rounded to nearest, never below the cut.
        let scaledWidth = max(frameSize, (width * frameSize + short / 2) / short)
        let scaledHeight = max(frameSize, (height * frameSize + short / 2) / short)
        context = sws_getCachedContext(
            context, CInt(width), CInt(height), AVPixelFormat(frame.pointee.format),
            CInt(scaledWidth), CInt(scaledHeight), AV_PIX_FMT_RGB24, accord_sws_exact_area, nil,
            nil, nil)
        guard context != nil else {
            throw file.failure("scale", "pixel format \(frame.pointee.format) is not supported")
        }
        // swscale writes whole vectors: room behind the last row.
        let stride = (scaledWidth * 3 + 63) / 64 * 64
        let needed = stride * scaledHeight + 64
        if scaled.count < needed { scaled = [UInt8](repeating: 0, count: needed) }
        try run(frame, height: height, stride: stride)
        return cut(
            left: (scaledWidth - frameSize) / 2, top: (scaledHeight - frameSize) / 2,
            stride: stride)
    }

    private mutating func run(
        _ frame: UnsafeMutablePointer<AVFrame>, height: Int, stride: Int
    ) throws(MediaFailure) {
        let data = frame.pointee.data
        let lines = frame.pointee.linesize
        let sources: [UnsafePointer<UInt8>?] = [
            UnsafePointer(data.0), UnsafePointer(data.1), UnsafePointer(data.2),
            UnsafePointer(data.3),
        ]
        let sourceStrides: [CInt] = [lines.0, lines.1, lines.2, lines.3]
        let strides: [CInt] = [CInt(stride), 0, 0, 0]
        let context = self.context
        let rows = scaled.withUnsafeMutableBufferPointer { buffer in
            let targets: [UnsafeMutablePointer<UInt8>?] = [buffer.baseAddress, nil, nil, nil]
            return sws_scale(
                context, sources, sourceStrides, 0, CInt(height), targets, strides)
        }
        try file.check(rows, "scale")
    }

    private func cut(left: Int, top: Int, stride: Int) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: frameSize * frameSize * 3)
        let last = frameSize - 1
        for row in 0..<frameSize {
            for column in 0..<frameSize {
                // Where the pixel that ends up at (row, column) stands before the rotation.
                let (y, x) =
                    switch rotation {
                    case 90: (last - column, row)
                    case 180: (last - row, last - column)
                    case 270: (column, last - row)
                    default: (row, column)
                    }
                let source = (top + y) * stride + (left + x) * 3
                let target = (row * frameSize + column) * 3
                for channel in 0..<3 { result[target + channel] = scaled[source + channel] }
            }
        }
        return result
    }
}
