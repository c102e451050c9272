// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Foundation
import Messaging
import Primitives
import Synchronization
import Testing
import Threads

@testable import ClusterRuntime

/// Ranks that run as far ahead of each other as the exchange lets them, each on a thread of its
/// own, as workers do. Every fourth step begins with gradients that do not fit and takes two
/// attempts.
@Suite(.serialized) struct RunAheadTests {
    private static let stepCount: UInt64 = 30

    /// What the ranks have brought to an exchange, and what went wrong.
    private final class Board: Sendable {
        private let sums = Mutex<[AccumulationKey: [Int32]]>([:])
        private let problems = Mutex<[String]>([])
        let secondAttempts = Atomic(0)

        func add(_ own: IntVector, to key: AccumulationKey) {
            sums.withLock { sums in
                var total = sums[key] ?? [Int32](repeating: 0, count: own.count)
                for index in 0..<own.count { total[index] += own.pointer[index] }
                sums[key] = total
            }
        }

        func total(_ key: AccumulationKey) -> [Int32]? { sums.withLock { $0[key] } }
        func report(_ problem: String) { problems.withLock { $0.append(problem) } }
        var all: [String] { problems.withLock { $0 } }
    }

    /// One rank's way through all steps. Isolation: its thread.
    private final class Rank {
        let worker: DataPlaneWorld.Worker
        let board: Board
        var generator: SeededGenerator
        var previous: ReducedStep?

        init(_ worker: DataPlaneWorld.Worker, _ board: Board) {
            self.worker = worker
            self.board = board
            generator = SeededGenerator(
                seed: 5, purpose: .testing, worker.lanes.map(UInt64.init))
        }

        func run() {
            for step in 1...RunAheadTests.stepCount {
                var scales = [UInt8](
                    repeating: DataPlaneWorld.scale, count: DataPlaneWorld.tensors.count)
                for attempt in 1...2 {
                    let key = AccumulationKey(step: Step(step), attempt: attempt)
                    switch exchange(key, scales) {
                    case .complete(skipped: false): break
                    case .secondAttempt(let more) where attempt == 1:
                        scales = more
                        board.secondAttempts.add(1, ordering: .relaxed)
                        continue
                    case let outcome:
                        return board.report("\(key): \(String(describing: outcome))")
                    }
                    check(key)
                    break
                }
            }
        }

        private func exchange(
            _ key: AccumulationKey, _ scales: [UInt8]
        ) -> WorkerCore.ExchangeOutcome? {
            let exchange = ExchangeKey(generation: Generation(1), accumulation: key)
            worker.accumulator.reset(for: key, scales: scales)
            let expectation = worker.accumulator.expect(laneCount: worker.lanes.count)
            worker.plane.commands.post(.open(exchange, expectation: expectation))
            if generator.nextBool(probability: 0.3) {
                // Late, by a time that nobody waits for.
                poll([], WakeUp(), timeoutMilliseconds: generator.next(below: 4))
            }
            for lane in worker.lanes { add(lane, key) }
            let contribution = worker.accumulator.contribution()
            board.add(worker.accumulator.sums, to: key)
            worker.plane.commands.post(.start(exchange, contribution))
            guard
                case .exchangeFinished(_, key.step, key.attempt, let outcome) =
                    worker.nextEvent(withinSeconds: 60)
            else { return nil }
            return outcome
        }

        private func add(_ lane: Int, _ key: AccumulationKey) {
            guard let open = worker.accumulator.open(lane: lane, key: key) else {
                return board.report("\(key): lane \(lane) cannot be opened")
            }
            let factor: Float = key.step.number % 4 == 1 ? 0x1p20 : 1
            for tensor in DataPlaneWorld.tensors.indices.reversed() {
                let gradient = DataPlaneWorld.gradient(
                    lane: lane, step: key.step.number, tensor: tensor
                ).map { $0 * factor }
                open.add(gradient, tensor: tensor, elements: 0..<gradient.count)
            }
            _ = open.close(report: [UInt8(lane)])
        }

        /// The result is the sum over all ranks, and the one before has not changed meanwhile.
        private func check(_ key: AccumulationKey) {
            guard let reduced = worker.shared.reduced(key.step),
                board.total(key).map({ reduced.sums.elements.elementsEqual($0) }) == true
            else { return board.report("\(key): wrong sums") }
            if let previous, worker.shared.reduced(previous.step) != nil {
                let key = AccumulationKey(step: previous.step, attempt: previous.attempt)
                if board.total(key).map({ previous.sums.elements.elementsEqual($0) }) != true {
                    board.report("\(key): the result has changed")
                }
            }
            previous = reduced
        }
    }

    @Test(
        arguments: [
            ["a", "a"], ["a", "a", "a", "a"], ["a", "b"], ["a", "b", "c"],
            ["a", "a", "b", "b", "c"],
            ["a", "b", "a", nil, "b", "b"],
        ] as [[String?]])
    func sumsAndEarlierResultsAreRight(_ machines: [String?]) throws {
        let world = try DataPlaneWorld(machines: machines)
        let numbers = Array(world.workers.indices)
        world.configure(world.plan(1, numbers, base: 0, lanes: world.workers.map(\.lanes)))
        let board = Board()

        let ranks = world.workers.map { worker in
            NamedThread("rank") { Rank(worker, board).run() }
        }
        for rank in ranks { rank.join() }

        #expect(board.all == [])
        #expect(board.secondAttempts.load(ordering: .relaxed) == 8 * numbers.count)
        for worker in world.workers { #expect(worker.shared.exchangeTimes.drops == .init()) }
    }
}
