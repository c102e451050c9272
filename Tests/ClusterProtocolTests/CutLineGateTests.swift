// SPDX-License-Identifier: Apache-2.0
import Primitives
import Testing

@testable import ClusterProtocol

/// Whom a cut line keeps outside, and until when.
@Suite struct CutLineGateTests {
    /// Members of a run in which nothing is committed yet, so that whoever may come in does so at
    /// the next tick. Worker n has the network address 10.0.0.n.
    private struct Scene {
        var core: CoordinatorCore
        private var present: [UInt64]

        init(members: [UInt64]) {
            var log = CoordinatorLog()
            log.generation = Generation(1)
            log.members = members.map { Self.member($0) }
            log.numericClass = "A"
            core = CoordinatorCore(
                .init(
                    welcome: Welcome(
                        run: RunID(1), configuration: "", laneCount: 4, stepCount: 100,
                        checkpointEverySteps: 10, stateHashEverySteps: 1),
                    dataFingerprint: [7], expectedWorkerCount: 1, startTimeoutTicks: 300,
                    exchangePatienceTicks: 50, workerCountMax: 8, dataEndpoint: "coordinator"),
                restoring: log)
            present = members
        }

        static func member(_ number: UInt64, at address: UInt64? = nil) -> Member {
            Member(
                worker: WorkerID(number), dataEndpoint: "tcp://10.0.0.\(address ?? number):5",
                threadCount: 1, hostName: "host", processIdentifier: Int32(number))
        }

        mutating func cut(_ one: UInt64, _ other: UInt64) {
            core.noteCutLine(Self.member(one), Self.member(other))
        }

        mutating func hear(_ message: WorkerMessage, from number: UInt64) {
            _ = core.handle(.received(message, from: WorkerID(number)))
        }

        mutating func enter(_ number: UInt64) {
            let member = Self.member(number)
            hear(
                .join(
                    protocolVersion: WorkerMessage.protocolVersion, member, numericClass: "A"),
                from: number)
            hear(
                .enter(dataFingerprint: [7], dataEndpoint: member.dataEndpoint, machine: nil),
                from: number)
            present.append(number)
        }

        mutating func leave(_ number: UInt64) {
            hear(.leave(reason: "done"), from: number)
            present.removeAll { $0 == number }
        }

        mutating func sight(_ number: UInt64, by witness: UInt64) {
            hear(.sighted(WorkerID(number)), from: witness)
        }

        /// Everybody is heard at each tick.
        mutating func pass(ticks: Int) -> [CoordinatorCore.Directive] {
            var directives: [CoordinatorCore.Directive] = []
            for _ in 0..<ticks {
                for number in present {
                    hear(
                        .heartbeat(
                            Heartbeat(
                                generation: Generation(1), applied: nil, isExchanging: false,
                                activity: "", exchangeTimes: .init())), from: number)
                }
                directives += core.handle(.tick)
            }
            return directives
        }

        var members: [UInt64] { core.members.map(\.worker.value) }
    }

    private static func probes(_ directives: [CoordinatorCore.Directive]) -> [[UInt64]] {
        directives.compactMap { directive in
            guard case .send(let asked, .probe(let worker, _)) = directive else { return nil }
            return [asked.value, worker.value]
        }
    }

    @Test func whoeverComesFromTheOtherEndWaitsAndBothEndsAreAskedEverySecond() {
        var scene = Scene(members: [1, 2])
        scene.cut(1, 3)
        scene.enter(3)
        scene.enter(4)

        let directives = scene.pass(ticks: 30)

        #expect(scene.members == [1, 2, 4], "no line of 4 is cut")
        #expect(Self.probes(directives) == [[1, 3], [3, 1], [1, 3], [3, 1], [1, 3], [3, 1]])
        let outside = scene.core.snapshot.joiners
        let name = Scene.member(1).name
        let sentence = "waits outside until it and \(name) reach each other"
        #expect(outside.map { $0.hasSuffix(sentence) } == [true])
    }

    @Test func bothEndsMustHaveReachedEachOther() {
        var scene = Scene(members: [1])
        scene.cut(1, 3)
        scene.enter(3)
        scene.sight(3, by: 1)
        _ = scene.pass(ticks: 2)
        #expect(scene.members == [1])

        scene.sight(1, by: 3)
        _ = scene.pass(ticks: 1)

        #expect(scene.members == [1, 3])
    }

    /// A line that comes and goes is not whole.
    @Test func halvesOfDifferentMomentsMakeNoWholeLine() {
        var scene = Scene(members: [1])
        scene.cut(1, 3)
        scene.enter(3)
        scene.sight(3, by: 1)
        _ = scene.pass(ticks: 61)
        scene.sight(1, by: 3)
        _ = scene.pass(ticks: 2)

        #expect(scene.members == [1])
    }

    @Test func aLineWhoseOtherEndHasNoMemberKeepsNobodyOut() {
        var scene = Scene(members: [1, 2])
        scene.cut(1, 3)
        scene.enter(3)
        _ = scene.pass(ticks: 3)
        #expect(scene.members == [1, 2])

        scene.leave(1)
        _ = scene.pass(ticks: 1)

        #expect(scene.members == [2, 3])
    }

    @Test func ofBothEndsThatComeAtOnceOneWaits() {
        var scene = Scene(members: [2])
        scene.cut(1, 3)
        scene.enter(3)
        scene.enter(1)

        _ = scene.pass(ticks: 3)

        #expect(scene.members == [2, 3])
    }

    @Test func processesOfOneMachineHaveNoLine() {
        var scene = Scene(members: [1])
        scene.core.noteCutLine(Scene.member(3), Scene.member(9, at: 3))

        #expect(scene.core.cutLines.isEmpty)
    }

    /// A joiner gives up a coordinator that says nothing for a minute.
    @Test func whoeverWaitsIsToldSomethingEverySecondEvenInAPause() {
        var scene = Scene(members: [1])
        _ = scene.core.handle(.pauseRequested)
        scene.cut(1, 3)
        scene.enter(3)

        let directives = scene.pass(ticks: 30)

        let told = directives.filter {
            if case .broadcast(let workers, .acknowledge) = $0 {
                workers == [WorkerID(3)]
            } else {
                false
            }
        }
        #expect(told.count == 3)
    }
}
