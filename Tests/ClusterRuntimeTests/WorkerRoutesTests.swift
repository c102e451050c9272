// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Primitives
import Testing

@testable import ClusterRuntime

/// Nobody speaks for another worker, or hears what it is told.
@Suite struct WorkerRoutesTests {
    private let now = ContinuousClock.now
    private let worker = WorkerID(1)

    private func member(_ worker: UInt64, _ key: String?) -> Member {
        Member(
            worker: WorkerID(worker), dataEndpoint: "", publicKey: key, threadCount: 1,
            hostName: "", processIdentifier: 0)
    }

    /// For calls that change something, which #expect does not take.
    private func check(_ holds: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(holds, sourceLocation: sourceLocation)
    }

    @Test func aWorkerThatComesAgainIsFoundByItsNewConnection() {
        var routes = WorkerRoutes(members: [], now: now)
        #expect(routes.route(to: worker) == nil)
        check(routes.admit(worker, key: "k", route: [1], now: now))
        check(routes.admit(worker, key: "k", route: [2], now: now))
        #expect(routes.route(to: worker) == [2])
    }

    @Test(arguments: ["other", nil]) func anotherKeyCannotSpeakForIt(_ key: String?) {
        var routes = WorkerRoutes(members: [], now: now)
        check(routes.admit(worker, key: "k", route: [1], now: now))
        check(!routes.admit(worker, key: key, route: [9], now: now))
        #expect(routes.route(to: worker) == [1])
    }

    @Test func oneKeyMaySpeakForSeveralWorkers() {
        var routes = WorkerRoutes(members: [], now: now)
        check(routes.admit(worker, key: "k", route: [1], now: now))
        check(routes.admit(WorkerID(2), key: "k", route: [2], now: now))
        #expect(routes.route(to: worker) == [1] && routes.route(to: WorkerID(2)) == [2])
    }

    /// A coordinator that was started again knows from its ledger whose names are whose.
    @Test func membersOfTheLedgerBelongToTheirKeys() {
        var routes = WorkerRoutes(members: [member(1, "k"), member(2, nil)], now: now)
        check(!routes.admit(worker, key: "other", route: [9], now: now))
        #expect(routes.route(to: worker) == nil)
        check(routes.admit(worker, key: "k", route: [1], now: now))
        check(!routes.admit(WorkerID(2), key: "k", route: [2], now: now))
    }

    /// A hostile worker cannot fill the memory with names, nor keep others out for ever.
    @Test func namesAreBoundedAndForgotten() {
        var routes = WorkerRoutes(members: [], now: now)
        for number in 0..<WorkerRoutes.countMax {
            check(routes.admit(WorkerID(UInt64(number)), key: "k", route: [1], now: now))
        }
        let late = WorkerID(.max)
        check(!routes.admit(late, key: "k", route: [2], now: now))
        check(routes.admit(worker, key: "k", route: [3], now: now))
        check(routes.admit(late, key: "k", route: [2], now: now + .seconds(61)))
        #expect(routes.route(to: late) == [2])
        #expect(routes.route(to: worker) == nil)
    }

    @Test func whatIsNewIsToldOnce() {
        var strangers = StrangerCount()
        check(strangers.news(0) == nil)
        check(strangers.news(3)?.contains("refused 3 connections") == true)
        check(strangers.news(3) == nil)
        strangers.refusedMessageCount += 1
        check(strangers.news(3)?.contains("1 messages of workers that claimed") == true)
        check(strangers.news(3) == nil)
    }
}
