// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

/// One life of the simulated coordinator.
package final class VirtualCoordinator: VirtualProcess {
    /// A crash that waits for its moment.
    package struct PlannedCrash: Equatable {
        package enum Moment: CaseIterable, Sendable {
            case betweenDirectives
            /// A record was being written: nothing of it is there, or a torn piece.
            case recordLost, recordTorn
            /// A record is durable, and nobody has heard of it.
            case recordDurable
        }

        let moment: Moment
        /// So many directives, or records, are carried out first.
        var remaining: Int
    }

    var core: CoordinatorCore
    var plannedCrash: PlannedCrash?

    init(_ configuration: CoordinatorCore.Configuration, _ log: CoordinatorLog, tickUnits: Int) {
        core = CoordinatorCore(configuration, restoring: log)
        super.init(node: 0, name: "coordinator", tickUnits: tickUnits)
    }
}
