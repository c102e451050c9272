// SPDX-License-Identifier: Apache-2.0
import Primitives

/// What goes into an exchange and what comes out of it.
extension TreeExchange {
    /// What identifies a frame inside one exchange.
    package struct Part: Hashable, Sendable {
        package let phase: ExchangeFrame.Phase
        package let sourceRank: Int
        /// Number in the `ChunkPlan`; 0 for reports.
        package let chunk: Int

        package init(phase: ExchangeFrame.Phase, sourceRank: Int, chunk: Int) {
            self.phase = phase
            self.sourceRank = sourceRank
            self.chunk = chunk
        }
    }

    /// A frame that has to be sent to other machines.
    package struct Outgoing {
        package let targetRanks: [Int]
        package let part: Part
        /// Memory that stays as it is until all ranks have completed the exchange.
        package let payload: SharedBytes
        /// The same sums packed, if that has been done on the way.
        package let packed: SharedBytes?

        /// - Parameter isPacked: sums are, in this exchange.
        package func frame(run: RunID, key: ExchangeKey, isPacked: Bool) -> ExchangeFrame {
            let plain = ExchangeFrame(run: run, key: key, part: part, payload: payload)
            return isPacked ? plain.packed(packed) : plain
        }
    }

    package enum AcceptOutcome {
        /// New; these frames follow from it.
        case accepted([Outgoing])
        case duplicate
        /// Not a frame that this exchange can have; no sum has changed by it.
        case malformed(String)
    }

    package struct Result: Sendable {
        package let sums: IntVector
        package let maxima: [UInt8]
        /// In lane order.
        package let reports: [[UInt8]]

        package init(sums: IntVector, maxima: [UInt8], reports: [[UInt8]]) {
            self.sums = sums
            self.maxima = maxima
            self.reports = reports
        }
    }

    /// The lanes of all members together are not each lane once: a rule of the plan was broken.
    package struct LaneMismatch: Error, Equatable {
        package let lanes: [Int]
        package let laneCount: Int

        package init(lanes: [Int], laneCount: Int) {
            self.lanes = lanes
            self.laneCount = laneCount
        }
    }
}
