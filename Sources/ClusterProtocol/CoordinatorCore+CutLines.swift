// SPDX-License-Identifier: Apache-2.0
import Primitives

/// A line between two machines that a worker was evicted for. While one end is a member's, whoever
/// comes from the other waits outside until each has reached the other: it would hold up everybody
/// again.
struct CutLine: Equatable, Sendable {
    /// Network addresses of two machines.
    let ends: Set<String>
    /// When the other end has reached each of them last.
    var reachedTicks: [String: UInt64] = [:]

    /// Nil if the address is none of the ends.
    func far(from end: String) -> String? {
        ends.contains(end) ? ends.first { $0 != end } : nil
    }

    func isWhole(at now: UInt64) -> Bool {
        ends.allSatisfy { end in
            reachedTicks[end].map { now - $0 <= Self.reachedTicksMax } ?? false
        }
    }

    /// Both ends are asked every second; an answer may take three.
    private static let reachedTicksMax: UInt64 = 60
}

extension CoordinatorCore {
    /// More than a network of many machines that falls apart shows in a while.
    private static let cutLinesMax = 256
    private static let questionTicks: UInt64 = 10

    /// Processes of one machine have no line between them that could be whole again.
    mutating func noteCutLine(_ suspect: Member, _ witness: Member) {
        let line = CutLine(ends: [suspect.networkAddress, witness.networkAddress])
        guard line.ends.count == 2, !cutLines.contains(where: { $0.ends == line.ends }) else {
            return
        }
        cutLines = cutLines.suffix(Self.cutLinesMax - 1) + [line]
        record(
            "\(suspect.networkAddress) and \(witness.networkAddress) do not reach each other; "
                + "while one has a member, workers of the other wait outside")
    }

    func cutLineCount(of member: Member) -> Int {
        cutLines.count { $0.ends.contains(member.networkAddress) }
    }

    /// A member that a candidate and its machine have to reach first.
    func memberBehindCutLine(from candidate: Candidate) -> Member? {
        cutLines.lazy.compactMap { memberBeyond($0, from: candidate.member) }.first
    }

    private func memberBeyond(_ line: CutLine, from candidate: Member) -> Member? {
        guard let far = line.far(from: candidate.networkAddress) else { return nil }
        return members.first { $0.member.networkAddress == far }?.member
    }

    /// Those between whom and the members, or each other, no line is cut.
    func withoutCutLines(_ ready: Set<WorkerID>) -> Set<WorkerID> {
        guard !cutLines.isEmpty else { return ready }
        var inside = Set(members.map(\.member.networkAddress))
        var admitted: Set<WorkerID> = []
        for candidate in candidates where ready.contains(candidate.worker) {
            let own = candidate.member.networkAddress
            let isOutside = cutLines.contains { line in
                line.far(from: own).map { inside.contains($0) } ?? false
            }
            guard !isOutside else { continue }
            inside.insert(own)
            admitted.insert(candidate.worker)
        }
        return admitted
    }

    /// One worker of each end of every line is asked for the other, so that a crowd outside costs
    /// the members nothing.
    mutating func askAcrossCutLines() {
        guard now.isMultiple(of: Self.questionTicks) else { return }
        for line in cutLines {
            for candidate in candidates where candidate.hasEntered {
                guard let member = memberBeyond(line, from: candidate.member) else { continue }
                let outside = candidate.member
                send(.probe(outside.worker, outside.address), to: member.worker)
                send(.probe(member.worker, member.address), to: outside.worker)
                break
            }
        }
    }

    mutating func noteReached(_ worker: WorkerID, by witness: WorkerID) {
        guard !cutLines.isEmpty, let reached = networkAddress(of: worker),
            let other = networkAddress(of: witness),
            let index = cutLines.firstIndex(where: { $0.ends == [reached, other] })
        else { return }
        cutLines[index].reachedTicks[reached] = now
        guard cutLines[index].isWhole(at: now) else { return }
        cutLines.remove(at: index)
        record("\(reached) and \(other) reach each other again")
    }

    private func networkAddress(of worker: WorkerID) -> String? {
        if let index = members.position(of: worker) {
            return members[index].member.networkAddress
        }
        return candidates.position(of: worker).map { candidates[$0].member.networkAddress }
    }
}

// MARK: -

extension Member {
    /// Of its machine: the data endpoint without scheme and port.
    fileprivate var networkAddress: String {
        let address = dataEndpoint.split(separator: "//").last ?? ""
        return String(address[..<(address.lastIndex(of: ":") ?? address.endIndex)])
    }
}
