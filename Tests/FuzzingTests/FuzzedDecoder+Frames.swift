// SPDX-License-Identifier: Apache-2.0
import CKernels
import Objectives
import Primitives

@testable import Collectives
@testable import Messaging
@testable import Training

/// The data plane.
extension FuzzedDecoder {
    static let frames = [
        coding(
            "reduced-step", seeds: { [reduced.encode()] },
            decode: { try ReducedStep(decoding: $0, elementCount: 5) }, encode: { $0.encode() }),
        coding(
            "rank-report", seeds: { [rankReport.encode()] },
            decode: { try RankReports.Report(decoding: $0, tensorCount: 3) },
            encode: { $0.encode() }),
        coding(
            "lane-report",
            seeds: { [LaneReport(laneLimits.shape).encode(), laneReport.encode()] },
            decode: { try LaneReport(decoding: $0, laneLimits) }, encode: { $0.encode() }),
        coding(
            "transfer-request",
            seeds: {
                [TransferRequest(resource: .init(.state, Step(3)), offset: 7, count: 9).encode()]
            },
            decode: { try TransferRequest(decoding: $0) }, encode: { $0.encode() }),
        transferAssembly(), exchangeFrame(), packedSums(),
    ]

    private static let reduced = ReducedStep(
        key: AccumulationKey(step: Step(4), attempt: 2), scales: [127, 3],
        exchanged: .init(sums: IntVector(count: 5), maxima: [130, 0], reports: [[1], [], [2, 3]]))

    private static let rankReport = RankReports.Report(
        maxima: [1, 2, 3],
        lanes: [.init(lane: 0, report: [5]), .init(lane: 3, report: [])], lastMicroseconds: 60)

    private static let laneLimits = LaneReport.Limits(
        shape: .init(directionCount: 2, bankCount: 2), keyWidth: 3, rowCountMax: 4)

    private static let laneReport: LaneReport = {
        var report = LaneReport(laneLimits.shape)
        report.clipIndices = [3, 9]
        report.maskedLanguageLoss = 2.5
        report.chosenTokenCount = 8
        report.directions = [.init(sum: 3.5, count: 1), .init(sum: 4.75, count: 1)]
        report.matching = .init(sum: 6.5, count: 4, rightCount: 3)
        report.keys = [
            [.init(clipIndex: 3, key: [1, 0, -0.5])], [.init(clipIndex: 9, key: [0, 1, 0])],
        ]
        return report
    }()

    // MARK: - Transfers

    /// Answers of a peer, each with its length (u16), the first 20 bytes as their header; pieces of
    /// real answers are longer, so one seed is a whole resource of one piece. The checksum keeps
    /// mutations out, so every answer comes again with the right one.
    private static func transferAssembly() -> FuzzedDecoder {
        let seeds: @Sendable () -> [[UInt8]] = {
            let request = TransferRequest(resource: .init(.state, Step(3)), offset: 0, count: 100)
            return ([nil, [], [1, 2, 3]] as [[UInt8]?]).map { whole in
                let answer = request.answer(from: whole)
                let bytes = answer.header + answer.piece.bytes
                return script([(1, bytes), (2, bytes)])
            }
        }
        return FuzzedDecoder("transfer-assembly", seeds: seeds) {
            { bytes in
                var reader = ByteReader(bytes)
                var assembly = TransferAssembly()
                var pieces: [UInt64: [UInt8]] = [:]
                while reader.remainingBytes > 0 {
                    _ = try reader.read(UInt8.self, "operation")
                    let count = Int(try reader.read(UInt16.self, "length"))
                    let answer = try reader.readRaw(min(count, reader.remainingBytes), "answer")
                    let (header, piece) = (Array(answer.prefix(20)), Array(answer.dropFirst(20)))
                    var added = try assembly.add([SharedBytes(header), SharedBytes(piece)])
                    if added.outcome == .damaged {
                        let place = Array(header.prefix(16))
                        var writer = ByteWriter()
                        writer.write(TransferAnswer.checksum(of: place, SharedBytes(piece)))
                        added = try assembly.add([
                            SharedBytes(place + writer.bytes), SharedBytes(piece),
                        ])
                        try expect("the right checksum is taken") { added.outcome != .damaged }
                    }
                    // The first piece of a place counts.
                    if added.outcome != .missing, pieces[added.offset] == nil {
                        pieces[added.offset] = piece
                    }
                    guard case .complete(let whole) = added.outcome else { continue }
                    try expect("a resource is its pieces in order") {
                        whole == pieces.sorted { $0.key < $1.key }.flatMap(\.value)
                    }
                }
            }
        }
    }

    // MARK: - Exchange

    /// The checksum keeps mutations out, so every header is tried again with the right one.
    private static func exchangeFrame() -> FuzzedDecoder {
        let seeds: @Sendable () -> [[UInt8]] = {
            let key = ExchangeKey(
                generation: Generation(2), accumulation: AccumulationKey(step: Step(5), attempt: 1))
            let frame = ExchangeFrame(
                run: RunID(9), key: key, part: .init(phase: .total, sourceRank: 1, chunk: 2),
                payload: SharedBytes([UInt8](repeating: 1, count: 64)))
            return [frame, frame.packed()].map { $0.encodeHeader() + $0.payload.copy() }
        }
        return FuzzedDecoder("exchange-frame", seeds: seeds) {
            { bytes in
                let payload = SharedBytes(Array(bytes.dropFirst(ExchangeFrame.headerBytes)))
                let identity = Array(bytes.prefix(ExchangeFrame.headerBytes - 4))
                let checksum = accord_crc32c(
                    accord_crc32c(0, identity, identity.count), payload.bytes.baseAddress,
                    payload.count)
                var writer = ByteWriter()
                identity.withUnsafeBytes { writer.write(raw: $0) }
                writer.write(checksum)
                let frame = try ExchangeFrame(decoding: writer.bytes, payload: payload)
                try expect("a frame reads back") { frame.encodeHeader() == writer.bytes }
                let own = Array(bytes.prefix(ExchangeFrame.headerBytes))
                if own != writer.bytes {
                    try expect("a wrong checksum is refused") {
                        do {
                            _ = try ExchangeFrame(decoding: own, payload: payload)
                            return false
                        } catch { return true }
                    }
                }
            }
        }
    }

    private static let sumCount = 700

    private static func packedSums() -> FuzzedDecoder {
        let seeds: @Sendable () -> [[UInt8]] = {
            [0, 1, 255, 40_000_000].map { spread in
                var generator = SeededGenerator(seed: UInt64(spread), purpose: .testing)
                let sums = (0..<sumCount).map { _ in
                    Int32(generator.next(below: 2 * spread + 1) - spread)
                }
                return pack(sums)
            }
        }
        return FuzzedDecoder("packed-sums", seeds: seeds) {
            { bytes in
                var sums = [Int32](repeating: 5, count: sumCount)
                var added = [Int32](repeating: 5, count: sumCount)
                var repacked: [UInt8] = []
                try bytes.withUnsafeBytes { packed in
                    try sums.withUnsafeMutableBufferPointer {
                        try PackedSums.unpack(packed, into: $0)
                    }
                    try added.withUnsafeMutableBufferPointer {
                        repacked = try PackedSums.addAndPack(
                            packed, to: UnsafeRawBufferPointer($0), into: $0, streams: true
                        ).copy()
                    }
                }
                try expect("adding adds") { zip(sums, added).allSatisfy { $0 &+ 5 == $1 } }
                try expect("sums are packed on the way as alone") { repacked == pack(added) }
                try expect("sums read back") {
                    let packed = pack(sums)
                    var again = [Int32](repeating: 0, count: sumCount)
                    try packed.withUnsafeBytes { packed in
                        try again.withUnsafeMutableBufferPointer {
                            try PackedSums.unpack(packed, into: $0)
                        }
                    }
                    return again == sums
                }
            }
        }
    }

    static func pack(_ sums: [Int32]) -> [UInt8] {
        let bytes = sums.withUnsafeBytes { SharedBytes(Array($0)) }
        let packed = PackedSums.pack(bytes)
        return packed.copy()
    }

    /// Frames of another rank, as they come out of a valid header: phase, source, chunk, encoding,
    /// and a payload with its length (u16).
    static func exchange() -> FuzzedDecoder {
        let seeds: @Sendable () -> [[UInt8]] = {
            let report = RankReports.Report(
                maxima: [1], lanes: [.init(lane: 1, report: [])], lastMicroseconds: 1
            ).encode()
            let sums = [UInt8](repeating: 1, count: 4 * sumCount)
            return [
                part(2, 1, 0, 0, sums) + part(1, 1, 0, 0, report) + part(3, 1, 1, 0, sums),
                part(2, 1, 0, 1, pack([Int32](repeating: 3, count: sumCount))),
            ]
        }
        return FuzzedDecoder("tree-exchange", seeds: seeds) {
            { bytes in
                let chunks = ChunkPlan(elementCount: sumCount, worldSize: 2)
                let exchange = TreeExchange(
                    rank: 0, chunks: chunks,
                    schedule: ExchangeSchedule(
                        shape: .direct, chunkCount: chunks.chunkCount, machineOfRank: [0, 1]),
                    memory: LoneMemory(
                        accumulator: IntVector(count: sumCount),
                        result: IntVector(count: sumCount)),
                    tensorCount: 1, attempt: 1)
                exchange.contribute(0..<chunks.chunkCount)
                var reader = ByteReader(bytes)
                while reader.remainingBytes > 0 {
                    let phase = ExchangeFrame.Phase(
                        rawValue: try reader.read(UInt8.self, "phase"))
                    let source = Int(try reader.read(UInt32.self, "source"))
                    let chunk = Int(try reader.read(UInt32.self, "chunk"))
                    let encoding = ExchangeFrame.Encoding(
                        rawValue: try reader.read(UInt8.self, "encoding"))
                    let count = Int(try reader.read(UInt16.self, "length"))
                    let payload = try reader.readRaw(min(count, reader.remainingBytes), "payload")
                    guard let phase, let encoding else { continue }
                    _ = exchange.accept(
                        .init(phase: phase, sourceRank: source, chunk: chunk),
                        payload: SharedBytes(Array(payload)), encoding)
                    _ = try exchange.advance(chunksMax: 4)
                }
            }
        }
    }

    private static func part(
        _ phase: UInt8, _ source: UInt32, _ chunk: UInt32, _ encoding: UInt8, _ payload: [UInt8]
    ) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(phase)
        writer.write(source)
        writer.write(chunk)
        writer.write(encoding)
        writer.write(UInt16(payload.count))
        payload.withUnsafeBytes { writer.write(raw: $0) }
        return writer.bytes
    }
}
