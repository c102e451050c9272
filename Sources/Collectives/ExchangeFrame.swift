// SPDX-License-Identifier: Apache-2.0
import CKernels
import Primitives

/// Which all-reduce a frame belongs to.
package struct ExchangeKey: Hashable, Sendable {
    package let generation: Generation
    package let accumulation: AccumulationKey

    package init(generation: Generation, accumulation: AccumulationKey) {
        self.generation = generation
        self.accumulation = accumulation
    }
}

/// One frame of the data plane: who sends what to whom, in which all-reduce.
///
/// Header (39 bytes): run 8, generation 8, step 8, attempt 1, phase 1, encoding 1, source rank 4,
/// chunk 4, CRC-32C 4 over header and payload. The payload travels beside it and is never copied; a
/// corrupted one never reaches a sum.
package struct ExchangeFrame {
    package enum Phase: UInt8, Sendable {
        /// A partial sum of a chunk for the machine above (reduce-scatter).
        case partial = 1
        /// The complete sum of a chunk for the machines below (all-gather).
        case total = 2
        /// Maxima and lane reports of the sender for every rank of another machine (all-gather).
        case reports = 3
    }

    /// How sums are written. Reports are always plain.
    package enum Encoding: UInt8, Sendable {
        /// int32, little-endian.
        case plain = 0
        /// `PackedSums`.
        case packed = 1
    }

    package let run: RunID
    package let key: ExchangeKey
    package let phase: Phase
    package let sourceRank: Int
    package let chunk: Int
    package let encoding: Encoding
    package let payload: SharedBytes

    package static let headerBytes = 39

    package init(
        run: RunID, key: ExchangeKey, part: TreeExchange.Part, payload: SharedBytes
    ) {
        self.init(run: run, key: key, part: part, .plain, payload)
    }

    private init(
        run: RunID, key: ExchangeKey, part: TreeExchange.Part, _ encoding: Encoding,
        _ payload: SharedBytes
    ) {
        self.run = run
        self.key = key
        phase = part.phase
        sourceRank = part.sourceRank
        chunk = part.chunk
        self.encoding = encoding
        self.payload = payload
    }

    /// The same with packed sums.
    ///
    /// - Parameter packed: those, if somebody has packed them already.
    package func packed(_ packed: SharedBytes? = nil) -> ExchangeFrame {
        guard phase != .reports, encoding == .plain else { return self }
        return ExchangeFrame(
            run: run, key: key, part: part, .packed, packed ?? PackedSums.pack(payload))
    }

    package var part: TreeExchange.Part {
        TreeExchange.Part(phase: phase, sourceRank: sourceRank, chunk: chunk)
    }

    package func encodeHeader() -> [UInt8] {
        var writer = ByteWriter(reservingBytes: Self.headerBytes)
        writeIdentity(to: &writer)
        writer.write(Self.checksum(of: writer.bytes, payload))
        return writer.bytes
    }

    /// - Throws: for a header that is none, and for a payload that is not the one it belongs to.
    package init(
        decoding header: some Collection<UInt8>, payload: SharedBytes
    ) throws(MalformedBytes) {
        var reader = ByteReader(header)
        run = RunID(try reader.read(UInt64.self, "run"))
        let generation = try reader.readGeneration("generation")
        let step = try reader.readStep("step")
        let attempt = Int(try reader.read(UInt8.self, "attempt"))
        key = ExchangeKey(
            generation: generation, accumulation: AccumulationKey(step: step, attempt: attempt))
        let rawPhase = try reader.read(UInt8.self, "phase")
        let rawEncoding = try reader.read(UInt8.self, "encoding")
        sourceRank = Int(try reader.read(UInt32.self, "source rank"))
        chunk = Int(try reader.read(UInt32.self, "chunk"))
        let checksum = try reader.read(UInt32.self, "checksum")
        try reader.expectEnd("header")
        self.payload = payload
        guard let phase = Phase(rawValue: rawPhase) else {
            throw MalformedBytes(field: "phase", offset: 25, rule: "\(rawPhase) is no phase")
        }
        self.phase = phase
        guard let encoding = Encoding(rawValue: rawEncoding) else {
            throw MalformedBytes(field: "encoding", offset: 26, rule: "\(rawEncoding) is none")
        }
        self.encoding = encoding
        var writer = ByteWriter(reservingBytes: Self.headerBytes)
        writeIdentity(to: &writer)
        guard Self.checksum(of: writer.bytes, payload) == checksum else {
            throw MalformedBytes(field: "checksum", offset: 35, rule: "the frame is corrupted")
        }
    }

    private func writeIdentity(to writer: inout ByteWriter) {
        writer.write(run.value)
        writer.write(key.generation.number)
        writer.write(key.accumulation.step.number)
        writer.write(UInt8(truncatingIfNeeded: key.accumulation.attempt))
        writer.write(phase.rawValue)
        writer.write(encoding.rawValue)
        writer.write(UInt32(truncatingIfNeeded: sourceRank))
        writer.write(UInt32(truncatingIfNeeded: chunk))
    }

    private static func checksum(of header: [UInt8], _ payload: SharedBytes) -> UInt32 {
        accord_crc32c(
            accord_crc32c(0, header, header.count), payload.bytes.baseAddress, payload.count)
    }
}
