// SPDX-License-Identifier: Apache-2.0
import CFFmpeg

/// What decides the pixels of a decoded frame besides the file: the libraries that read it.
package func mediaVersions() -> String {
    func text(_ version: UInt32) -> String {
        "\(version >> 16).\(version >> 8 & 255).\(version & 255)"
    }
    return "libavcodec \(text(avcodec_version())) libswscale \(text(swscale_version()))"
}
