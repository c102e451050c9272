// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

extension VirtualCluster {
    /// Delays, loses and doubles; messages may overtake each other.
    func send(_ action: @escaping () -> Void) {
        if chance(faults.lostPercent) {
            counts.lost += 1
            return
        }
        after(1 + generator.next(below: 60), action)
        if chance(faults.doubledPercent) {
            counts.doubled += 1
            after(1 + generator.next(below: 400), action)
        }
    }

    func deliver(_ message: CoordinatorMessage, to worker: WorkerID) {
        guard let decoded = survivor({ try CoordinatorMessage(decoding: message.encode()) }),
            decoded == message
        else { return fail("\(message) does not survive its coding") }
        send { [unowned self] in tell(worker, .received(decoded)) }
    }

    func deliver(_ message: WorkerMessage, from worker: WorkerID) {
        guard let decoded = survivor({ try WorkerMessage(decoding: message.encode()) }),
            decoded == message
        else { return fail("\(message) does not survive its coding") }
        send { [unowned self] in tell(.received(decoded, from: worker)) }
    }

    /// Nil if the bytes are no message.
    private func survivor<Message>(
        _ decode: () throws -> Message
    ) -> Message? {
        do { return try decode() } catch { return nil }
    }
}
