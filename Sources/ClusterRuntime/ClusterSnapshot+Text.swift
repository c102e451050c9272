// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Foundation

extension ClusterSnapshot.MemberState {
    /// What its exchanges cost and which frames it has dropped, for `accord status`; nothing before
    /// there was any. Lines of at most 69 characters, for they are indented.
    package var exchangeLines: [String] { [costText, dropText].compactMap(\.self) }

    /// Its lanes and how fast it computes them; nil before it has computed any.
    package var speedLine: String? {
        guard laneMicroseconds > 0 else { return nil }
        return "\(laneCount) lanes on \(threadCount) threads, "
            + "\(Self.milliseconds(laneMicroseconds)) a lane"
    }

    private var costText: String? {
        guard exchangeTimes.count > 0 else { return nil }
        let mean = exchangeTimes.mean
        var share = ""
        if mean.stepMicroseconds > 0 {
            let percent =
                100 * Double(mean.exposedMicroseconds) / Double(mean.stepMicroseconds)
            share = String(format: " (%.1f %% of a step)", percent)
        }
        return "exchange \(Self.milliseconds(mean.exposedMicroseconds)) exposed\(share), "
            + "\(Self.milliseconds(mean.waitedMicroseconds)) waiting"
    }

    private var dropText: String? {
        let drops = exchangeTimes.drops
        guard drops != .init() else { return nil }
        return "dropped frames: \(drops)"
    }

    private static func milliseconds(_ microseconds: UInt64) -> String {
        String(format: "%.1f ms", Double(microseconds) / 1000)
    }
}

extension ExchangeTimes.Drops: CustomStringConvertible {
    package var description: String {
        "\(stale) stale, \(duplicate) double, \(malformed) damaged"
    }
}
