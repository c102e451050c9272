// SPDX-License-Identifier: Apache-2.0
import Foundation
import SharedMemory

/// A barrier of processes, in memory that has no name: they open it through the process that has
/// made it, in whichever network namespace they are.
///
/// Ranks look at each other until all are there, as those of MPI do. Where there are fewer cores
/// than ranks, one that looks would take the time of another: there they wait in the kernel first,
/// with the C library's barrier. It wakes one after the other, often on the core of the one that
/// wakes it, so that some begin tens of microseconds late, and no collective can end before.
///
/// Isolation: each process has an object of its own, on one thread.
final class SharedBarrier {
    private static let byteCount = 4096
    /// Behind the barriers, a word per rank.
    private static let roundsOffset = 2048
    private static let looksMax = 10_000

    private let descriptor: Int32
    private let barrier: UnsafeMutablePointer<pthread_barrier_t>
    private var round: UInt64 = 0

    init(rankCount: Int) throws {
        let name = "/accord-benchmark-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        let descriptor = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0o600)
        guard descriptor >= 0 else { throw ExchangeFailure("there is no shared memory") }
        shm_unlink(name)
        guard ftruncate(descriptor, off_t(Self.byteCount)) == 0 else {
            throw ExchangeFailure("there is no shared memory left")
        }
        self.descriptor = descriptor
        barrier = try Self.map(descriptor)
        var attributes = pthread_barrierattr_t()
        pthread_barrierattr_init(&attributes)
        pthread_barrierattr_setpshared(&attributes, Int32(PTHREAD_PROCESS_SHARED))
        pthread_barrier_init(barrier, &attributes, UInt32(rankCount))
    }

    /// - Parameter path: the `path` of the process that has made it.
    init(path: String) throws {
        descriptor = open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { throw ExchangeFailure("there is no barrier at \(path)") }
        barrier = try Self.map(descriptor)
    }

    deinit {
        munmap(barrier, Self.byteCount)
        close(descriptor)
    }

    private static func map(
        _ descriptor: Int32
    ) throws -> UnsafeMutablePointer<pthread_barrier_t> {
        let memory = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        guard let memory, memory != MAP_FAILED else {
            throw ExchangeFailure("the shared memory cannot be mapped")
        }
        return memory.bindMemory(to: pthread_barrier_t.self, capacity: 1)
    }

    /// For the other processes, as long as this object lives.
    var path: String { "/proc/\(getpid())/fd/\(descriptor)" }

    func wait(rank: Int, ranks: Int) {
        let hasCores = ranks <= ProcessInfo.processInfo.activeProcessorCount
        if !hasCores { _ = pthread_barrier_wait(barrier) }
        round += 1
        let words = UnsafeRawPointer(barrier) + Self.roundsOffset
        SharedWord(words + 8 * rank).store(round)
        for other in 0..<ranks {
            var looks = 0
            while SharedWord(words + 8 * other).load() < round {
                looks += 1
                // Who looks for long may have the core of the one that is missing.
                if hasCores, looks < Self.looksMax { SharedWord.pause() } else { sched_yield() }
            }
        }
    }
}
