// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Foundation
import Primitives

/// Turns SIGINT, SIGTERM, SIGHUP, or other signals that are asked for, into a call, and ignores
/// SIGPIPE.
///
/// A closed terminal ends a run in order, unless `nohup` or the like has asked that it should not.
// Sendable: the sources are made and cancelled by their owner and are thread-safe themselves.
package final class SignalWatch: @unchecked Sendable {
    private var sources: [(number: Int32, source: any DispatchSourceSignal)] = []

    /// - Parameter handler: gets a sentence such as "interrupted".
    package convenience init(_ handler: @escaping @Sendable (String) -> Void) {
        let signals = [
            (SIGINT, "interrupted"), (SIGTERM, "asked to end"), (SIGHUP, "the terminal was closed"),
        ]
        self.init(
            signals.filter { $0.0 != SIGHUP || !Self.isIgnored(SIGHUP) }.map { number, text in
                (number, { handler(text) })
            })
    }

    /// - Parameter handlers: what each signal does.
    package init(_ handlers: [(number: Int32, handler: @Sendable () -> Void)]) {
        signal(SIGPIPE, SIG_IGN)
        for (number, handler) in handlers {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler(handler: handler)
            source.resume()
            sources.append((number, source))
        }
    }

    private static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        guard sigaction(number, nil, &action) == 0 else { return false }
        // SIG_IGN is the address 1, which no function has; functions cannot be compared in Swift.
        let handler = unsafeBitCast(action.__sigaction_handler, to: Int.self)
        return handler == unsafeBitCast(SIG_IGN, to: Int.self)
    }

    /// A program that takes the place of this one finds the signals as they are usually.
    package func cancel() {
        for (number, source) in sources {
            source.cancel()
            signal(number, SIG_DFL)
        }
    }
}

extension ExitFailure {
    /// With the next step, for who has interrupted a process; the cores only say what happened.
    var sayingHowToGoOn: ExitFailure {
        guard reason == .interrupted else { return self }
        return ExitFailure(reason, "\(message); the same command resumes")
    }
}
