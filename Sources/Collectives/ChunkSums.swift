// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives

/// Where the sums of chunks lie in the memory of a machine, and how they are added up there.
///
/// Payloads come from anybody: what is no chunk is refused, and changes nothing.
/// Isolation: the thread that runs the exchange.
struct ChunkSums {
    /// Results as large as this leave the caches before anybody reads them.
    private static let streamedElementsMin = 1 << 20

    private let chunks: ChunkPlan
    private let memory: any MachineMemory
    private let areLarge: Bool
    /// What is gathered goes to another machine, out of the caches if it is plain.
    private let isGatheredSent: Bool

    init(_ chunks: ChunkPlan, _ memory: any MachineMemory, isGatheredSent: Bool) {
        self.chunks = chunks
        self.memory = memory
        self.isGatheredSent = isGatheredSent
        areLarge = chunks.elementCount >= Self.streamedElementsMin
    }

    // MARK: - Places

    func accumulator(of rank: Int, _ chunk: Int) -> SharedBytes {
        bytes(memory.accumulator(of: rank), chunk)
    }

    func gathered(_ chunk: Int) -> SharedBytes { bytes(UnsafePointer(memory.gathered), chunk) }

    private func bytes(_ vector: UnsafePointer<Int32>, _ chunk: Int) -> SharedBytes {
        let range = chunks.elements(of: chunk)
        return SharedBytes(
            UnsafeRawBufferPointer(start: vector + range.lowerBound, count: byteCount(chunk)),
            owner: memory)
    }

    private func target(_ chunk: Int) -> UnsafeMutableBufferPointer<Int32> {
        let range = chunks.elements(of: chunk)
        return UnsafeMutableBufferPointer(
            start: memory.gathered + range.lowerBound, count: range.count)
    }

    private func byteCount(_ chunk: Int) -> Int {
        chunks.elements(of: chunk).count * MemoryLayout<Int32>.size
    }

    // MARK: - Sums

    /// The gathered sums become the sum of these; they may be among them.
    ///
    /// - Precondition: each has the bytes of the chunk.
    func gather(_ sources: [SharedBytes], _ chunk: Int) {
        sum(sources, chunk, isSent: isGatheredSent)
    }

    /// - Parameter isSent: at once, out of the caches; they need not go past them.
    private func sum(_ sources: [SharedBytes], _ chunk: Int, isSent: Bool) {
        let target = target(chunk)
        let isThere =
            sources.count == 1
            && sources[0].bytes.baseAddress == UnsafeRawPointer(target.baseAddress)
        guard !isThere else { return }
        accord_sum_int32(
            target.baseAddress, sources.map { $0.bytes.baseAddress }, sources.count, target.count,
            areLarge && !isSent)
    }

    /// The gathered sums become those that were there so far with the payload.
    ///
    /// - Parameters:
    ///   - sums: the gathered ones, or the accumulator before anything is gathered.
    ///   - isLast: nothing more is added; the sums are sent next.
    /// - Returns: those sums packed, if the payload was.
    func add(
        _ payload: SharedBytes, _ encoding: ExchangeFrame.Encoding, to sums: SharedBytes,
        _ chunk: Int, isLast: Bool
    ) throws(MalformedBytes) -> SharedBytes? {
        switch (encoding, isLast) {
        case (.plain, _):
            try requireSize(payload, chunk)
            gather([sums, payload], chunk)
            return nil
        case (.packed, false):
            try PackedSums.add(payload.bytes, to: sums.bytes, into: target(chunk))
            return nil
        case (.packed, true):
            return try PackedSums.addAndPack(
                payload.bytes, to: sums.bytes, into: target(chunk), streams: areLarge)
        }
    }

    /// The gathered sums become those of the payload, which other machines wait for or not.
    ///
    /// - Returns: what they get if the payload was packed: it as it came. Another program may have
    ///   packed equal sums in other bytes.
    func store(
        _ payload: SharedBytes, _ encoding: ExchangeFrame.Encoding, _ chunk: Int, isSent: Bool
    ) throws(MalformedBytes) -> SharedBytes? {
        switch encoding {
        case .plain:
            try requireSize(payload, chunk)
            sum([payload], chunk, isSent: isSent)
            return nil
        case .packed:
            try PackedSums.unpack(payload.bytes, into: target(chunk), streams: areLarge)
            return payload
        }
    }

    /// A payload that has to wait is unpacked at once: only then is it known to be sound.
    func plain(
        _ payload: SharedBytes, _ encoding: ExchangeFrame.Encoding, _ chunk: Int
    ) throws(MalformedBytes) -> SharedBytes {
        switch encoding {
        case .plain:
            try requireSize(payload, chunk)
            return payload
        case .packed:
            let block = ByteBlock(count: byteCount(chunk))
            try PackedSums.unpack(payload.bytes, into: block.memory.bindMemory(to: Int32.self))
            return SharedBytes(UnsafeRawBufferPointer(block.memory), owner: block)
        }
    }

    private func requireSize(_ payload: SharedBytes, _ chunk: Int) throws(MalformedBytes) {
        guard payload.count == byteCount(chunk) else {
            throw MalformedBytes(
                field: "chunk \(chunk)", offset: 0,
                rule: "\(payload.count) bytes, not \(byteCount(chunk))")
        }
    }
}
