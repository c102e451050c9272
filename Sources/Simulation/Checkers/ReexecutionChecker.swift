// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Primitives

/// A lane that a member holds, or is computing, is not computed by another one as well.
struct ReexecutionChecker {
    /// - Parameter peers: members of the plan that live.
    func onOrder(
        _ lanes: [Int], _ key: AccumulationKey, by worker: VirtualWorker,
        _ peers: [VirtualWorker]
    ) -> String? {
        for peer in peers where peer !== worker {
            guard let ordered = peer.ordered, ordered.key == key,
                peer.plan?.generation == worker.plan?.generation
            else { continue }
            let twice = ordered.lanes.intersection(lanes).sorted()
            guard twice.isEmpty else {
                return "\(worker.name) computes lanes \(twice) of step \(key.step), which "
                    + "\(peer.name) has"
            }
        }
        return nil
    }
}
