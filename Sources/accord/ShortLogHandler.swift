// SPDX-License-Identifier: Apache-2.0
import Foundation
import Logging

/// One line per message on standard error: time, level if it is not information, text.
struct ShortLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let time = Date().formatted(.iso8601)
        let level = event.level == .info ? "" : "\(event.level): "
        Terminal.complain("\(time) \(level)\(event.message)\n")
    }
}
