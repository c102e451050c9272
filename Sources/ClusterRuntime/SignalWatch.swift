// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Foundation

/// Turns SIGINT and SIGTERM into a call, and ignores SIGPIPE.
// Sendable: the sources are made and cancelled by their owner and are thread-safe themselves.
package final class SignalWatch: @unchecked Sendable {
    private var sources: [any DispatchSourceSignal] = []

    /// - Parameter handler: gets a sentence such as "interrupted".
    package init(_ handler: @escaping @Sendable (String) -> Void) {
        signal(SIGPIPE, SIG_IGN)
        for (number, text) in [(SIGINT, "interrupted"), (SIGTERM, "asked to end")] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { handler(text) }
            source.resume()
            sources.append(source)
        }
    }

    package func cancel() {
        for source in sources { source.cancel() }
    }
}
