// SPDX-License-Identifier: Apache-2.0
import ClusterProtocol
import Collectives
import Messaging
import Primitives
import SharedMemory
import Threads

/// The thread that talks to the other workers: exchanges sums, serves what others missed.
///
/// Frames carry run, generation, step and attempt. Those of older generations are dropped and
/// counted, those of a generation that this worker has not begun yet wait for it.
package final class DataPlane: Sendable {
    package enum Command: Sendable {
        case configure(StepPlan, rank: Int)
        /// The exchange in flight ends at once; its frames are dropped from now on.
        case abandon
        /// Own lanes are being computed; tensors that are final by this expectation can be
        /// exchanged.
        case open(ExchangeKey, expectation: Int)
        case tensorFinal(LaneAccumulator.FinalTensor)
        /// With what belongs to the own sums, as it was when the own lanes were complete: lanes of
        /// a later generation may be added while this waits.
        case start(ExchangeKey, LaneAccumulator.Contribution)
        /// Tell what this exchange, to which all own lanes have come, waits for.
        case inspect(ExchangeKey)
        case stop
    }

    /// What the data plane of a worker is made of.
    package struct Resources: Sendable {
        /// The address that peers reach.
        package let host: String
        package let context: MessagingContext
        package let shared: WorkerShared
        package let memory: WorkerMemory
        package let tensors: [Range<Int>]
        package let worker: WorkerID
        /// With workers of the same machine.
        package var sharesMemory = true
        /// What exchanges are timed by; asked a few times in each.
        var now: @Sendable () -> ContinuousClock.Instant = { .now }

        package init(
            host: String, context: MessagingContext, shared: WorkerShared, memory: WorkerMemory,
            tensors: [Range<Int>], worker: WorkerID
        ) {
            self.host = host
            self.context = context
            self.shared = shared
            self.memory = memory
            self.tensors = tensors
            self.worker = worker
        }
    }

    /// Where peers find this worker.
    package struct Address: Equatable, Sendable {
        package let endpoint: String
        /// Workers of the same machine share memory; nil = shares none.
        package let machine: String?
    }

    /// TCP streams to every peer: one alone begins slowly, and one thread of libzmq serves it.
    package static let streamsPerPeer = 2

    package let address: Address
    package let commands: Mailbox<Command>
    private let thread: NamedThread

    /// - Parameter commands: may be in use already.
    package init(
        _ resources: Resources, commands: Mailbox<Command> = Mailbox()
    ) throws(ExitFailure) {
        let bound = Mailbox<Result<Address, ExitFailure>>()
        self.commands = commands
        thread = NamedThread("data-plane") {
            do {
                let loop = try DataPlaneLoop(resources, commands)
                bound.post(.success(loop.address))
                loop.run()
            } catch {
                let text = "cannot open the data plane on \(resources.host): \(error)"
                bound.post(.failure(ExitFailure(.usage, text)))
            }
        }
        var answer: Result<Address, ExitFailure>?
        while answer == nil {
            poll([], bound.wakeUp, timeoutMilliseconds: 1000)
            answer = bound.drain().first
        }
        guard let answer else { throw ExitFailure(.internalError, "the data plane is silent") }
        address = try answer.get()
    }

    package func stop() {
        commands.post(.stop)
        thread.join()
    }
}
