// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives

/// The promises that every simulated history must keep. A finding is a sentence; nil = all is well.
struct Checkers {
    var history = HistoryChecker()
    var announcements = AnnouncementChecker()
    var agreement: AgreementChecker
    var samples: SampleChecker
    var fencing = FencingChecker()
    var reexecution = ReexecutionChecker()
    var bounds = BoundsChecker()

    init(_ reference: OneWorkerRun) {
        agreement = AgreementChecker(reference)
        samples = SampleChecker(reference.task.configuration)
    }

    /// A record is about to become durable.
    ///
    /// - Parameter log: everything before it.
    mutating func onRecord(_ record: LogRecord, _ log: CoordinatorLog) -> String? {
        if let finding = history.onRecord(record, log) { return finding }
        switch record {
        case .committed(let report):
            return fencing.onCommit(report, log)
                ?? agreement.onCommit(report) ?? samples.onCommit(report)
        case .masked(let clip, _):
            samples.onMasked(clip)
            return nil
        default:
            return nil
        }
    }

    /// The run has ended in success.
    func onEnd() -> String? { history.onEnd(agreement.reference) ?? samples.onEnd() }
}
