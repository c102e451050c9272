// SPDX-License-Identifier: Apache-2.0
import Primitives

/// A line behind which a worker was evicted. Whoever comes from one of its ends while the other is
/// a member's waits outside until each has reached the other: it would hold up everybody again.
struct CutLine: Equatable, Sendable {
    /// Hosts, as in data endpoints; one if both ends are the same.
    let ends: Set<String>
    /// Of these, those that the other has reached since.
    var reached: Set<String> = []

    /// The other end; nil if this is none.
    func far(from host: String) -> String? {
        guard ends.contains(host) else { return nil }
        return ends.first { $0 != host } ?? host
    }
}

extension CoordinatorCore {
    mutating func noteCutLine(_ suspect: Member, _ witness: Member) {
        let line = CutLine(ends: [suspect.host, witness.host])
        cutLines.removeAll { $0.ends == line.ends }
        cutLines.append(line)
    }

    /// The members that a worker has to reach, and that have to reach it, before it may come in.
    func membersBehindCutLines(from candidate: Member) -> [Member] {
        cutLines.compactMap { line in
            guard let far = line.far(from: candidate.host) else { return nil }
            return members.first { $0.member.host == far }?.member
        }
    }

    /// It enters every second, so that this is asked every second.
    mutating func askAcrossCutLines(for candidate: Member) {
        for member in membersBehindCutLines(from: candidate) {
            send(.probe(candidate.worker, candidate.address), to: member.worker)
            send(.probe(member.worker, member.address), to: candidate.worker)
        }
    }

    mutating func noteReached(_ worker: WorkerID, by witness: WorkerID) {
        guard !cutLines.isEmpty, let host = place(of: worker), let other = place(of: witness),
            let index = cutLines.firstIndex(where: { $0.ends == [host, other] })
        else { return }
        cutLines[index].reached.insert(host)
        guard cutLines[index].reached == cutLines[index].ends else { return }
        cutLines.remove(at: index)
        record("\(host) and \(other) reach each other again")
    }

    private func place(of worker: WorkerID) -> String? {
        if let index = members.position(of: worker) { return members[index].member.host }
        return candidates.position(of: worker).map { candidates[$0].member.host }
    }
}

// MARK: -

extension Member {
    /// Of the data endpoint: all but the port.
    fileprivate var host: String {
        dataEndpoint.lastIndex(of: ":").map { String(dataEndpoint[..<$0]) } ?? dataEndpoint
    }
}
