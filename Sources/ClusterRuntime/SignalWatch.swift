// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Foundation

/// Turns SIGINT, SIGTERM and SIGHUP into a call, and ignores SIGPIPE.
///
/// A closed terminal ends a run in order, unless `nohup` or the like has asked that it should not.
// Sendable: the sources are made and cancelled by their owner and are thread-safe themselves.
package final class SignalWatch: @unchecked Sendable {
    private var sources: [any DispatchSourceSignal] = []

    /// - Parameter handler: gets a sentence such as "interrupted".
    package init(_ handler: @escaping @Sendable (String) -> Void) {
        signal(SIGPIPE, SIG_IGN)
        let signals = [
            (SIGINT, "interrupted"), (SIGTERM, "asked to end"), (SIGHUP, "the terminal was closed"),
        ]
        for (number, text) in signals {
            if number == SIGHUP, Self.isIgnored(number) { continue }
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { handler(text) }
            source.resume()
            sources.append(source)
        }
    }

    private static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        guard sigaction(number, nil, &action) == 0 else { return false }
        // SIG_IGN is the address 1, which no function has; functions cannot be compared in Swift.
        let handler = unsafeBitCast(action.__sigaction_handler, to: Int.self)
        return handler == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    package func cancel() {
        for source in sources { source.cancel() }
    }
}
