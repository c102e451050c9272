// SPDX-License-Identifier: Apache-2.0

/// Something that reduces, or the limit of it, measured in turn with the others.
protocol Contender: AnyObject {
    /// The median round, in seconds.
    func seconds(bytes: Int) throws -> Double
    func stop()
}

/// One process per rank, asked by a line with the bytes.
///
/// Each may say once where it is ("at …"), and then hears the places of all ranks in one line.
/// Each answers with the seconds of its rounds: "seconds 0.1 0.2", several ways to do it with ";"
/// between them. A round takes as long as its slowest rank, and the fastest way counts.
final class RankGroup: Contender {
    private var ranks: [LineProcess] = []

    init(_ commands: [LineProcess.Command], _ children: ChildProcesses) throws {
        do {
            for command in commands { ranks.append(try LineProcess(command, children)) }
        } catch {
            stop()
            throw error
        }
    }

    func seconds(bytes: Int) throws -> Double {
        for rank in ranks { try rank.write("\(bytes)") }
        var answers = try ranks.map { try $0.readLine() }
        if answers.allSatisfy({ $0.hasPrefix("at ") }) {
            let places = answers.map { $0.dropFirst(3) }.joined(separator: " ")
            for rank in ranks { try rank.write(places) }
            answers = try ranks.map { try $0.readLine() }
        }
        return try RoundTimes.median(ofRanks: answers)
    }

    func stop() {
        for rank in ranks { rank.stop() }
        ranks = []
    }
}

/// Open MPI starts its ranks itself, so they are started for each size anew.
final class OpenMPI: Contender {
    private let children: ChildProcesses
    private let command: LineProcess.Command

    /// - Parameter program: that of Benchmarks/Peers/mpi_all_reduce.c.
    init(program: String, rankCount: Int, place: ExchangePlace, _ children: ChildProcesses) {
        self.children = children
        let transport =
            place.allowsSharedMemory
            ? [] : ["--mca", "btl", "self,tcp", "--mca", "btl_tcp_if_include", "lo"]
        command = LineProcess.Command(
            words: ["mpirun", "-np", "\(rankCount)", "--oversubscribe"] + transport + [program],
            // It refuses root without these; it is only asked to use this machine.
            environment: [
                "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            ], endsItsChildren: true)
    }

    func seconds(bytes: Int) throws -> Double {
        var command = command
        command.words.append("\(bytes)")
        let output = try LineProcess(command, children).readToEnd()
        let answers = output.split(separator: "\n").filter { $0.hasPrefix("seconds ") }
        return try RoundTimes.median(ofRanks: answers.map(String.init))
    }

    func stop() {}
}

enum RoundTimes {
    /// - Parameter answers: a line of each rank.
    static func median(ofRanks answers: [String]) throws -> Double {
        let ranks = try answers.map { answer in
            guard answer.hasPrefix("seconds ") else {
                throw ExchangeFailure("\"\(answer)\" is no answer with times")
            }
            return answer.dropFirst("seconds ".count).split(separator: ";").map { way in
                way.split(separator: " ").compactMap { Double($0) }
            }
        }
        let shapes = Set(ranks.map { $0.map(\.count) })
        guard shapes.count == 1, let shape = shapes.first, let rounds = shape.first, rounds > 0,
            shape.allSatisfy({ $0 == rounds })
        else { throw ExchangeFailure("the ranks have measured different rounds: \(shapes)") }
        let medians = shape.indices.map { way in
            (0..<rounds).map { round in ranks.map { $0[way][round] }.max() ?? 0 }
                .sorted()[rounds / 2]
        }
        return medians.min() ?? 0
    }
}
