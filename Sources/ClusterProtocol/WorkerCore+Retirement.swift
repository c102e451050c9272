// SPDX-License-Identifier: Apache-2.0
import Primitives

extension WorkerCore {
    /// A batch system that ends a job gives it a moment; this is a part of the usual ones.
    private static let retirementTicksMax: UInt64 = 120

    /// A member finishes its step, and its state is brought to safety if nobody else has it.
    mutating func onStopRequested(_ reason: String) {
        switch phase {
        case .stepping, .preparing:
            guard let retirement else {
                self.retirement = (reason, now)
                send(.retire(reason: reason))
                directives.append(
                    .note("\(reason): leaves after this step; once more ends at once"))
                return
            }
            if now - retirement.sinceTick >= CoordinatorCore.sameSignalTicks { leave(reason) }
        case .joining, .settingUp, .entering, .following:
            leave(reason)
        case .ended:
            break
        }
    }

    mutating func leaveIfNobodyReleases() {
        guard let retirement, now - retirement.sinceTick > Self.retirementTicksMax else { return }
        leave("\(retirement.reason), and nobody released it")
    }

    private mutating func leave(_ reason: String) {
        send(.leave(reason: reason))
        end(.interrupted, reason)
    }
}
