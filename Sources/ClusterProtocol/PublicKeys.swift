// SPDX-License-Identifier: Apache-2.0
import Primitives

extension StepPlan {
    /// Of the member that listens there; nil also for the coordinator, which is no member.
    package func publicKey(at endpoint: String) -> String? {
        members.first { $0.dataEndpoint == endpoint }?.publicKey
    }
}

extension CoordinatorCore {
    /// Of the member that listens there.
    package func publicKey(at endpoint: String) -> String? {
        members.first { $0.member.dataEndpoint == endpoint }?.member.publicKey
    }
}
