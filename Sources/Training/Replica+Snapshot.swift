// SPDX-License-Identifier: Apache-2.0
import Hashing
import Models
import Objectives
import Optimizers
import Primitives
import Tensors

/// Why bytes are not a snapshot of this run.
package struct MalformedSnapshot: Error, Equatable, CustomStringConvertible {
    package let reason: String

    package var description: String { "the snapshot cannot be used: \(reason)" }
}

/// The state as named sections (`SnapshotSections`), in an order that never changes. The state hash
/// is the SHA-256 of the names and checksums of all sections in their order, so whoever writes or
/// reads a snapshot knows it.
extension Replica {
    /// Of numbers, names and checksums.
    private static let headBytesMax = 4096

    private enum Section: Hashable {
        /// Names and shapes of the parameters.
        case layout
        case counters
        case parameters
        case keyParameters
        case firstMoment
        case secondMoment
        case bank(ClipView)

        /// In the snapshot.
        var name: String {
            switch self {
            case .bank(let view): "\(view)Bank"
            default: "\(self)"
            }
        }
    }

    /// Without what this run has not: a key encoder, banks of views that no term compares with.
    private var sections: [Section] {
        [.layout, .counters, .parameters]
            + (configuration.hasKeyEncoder ? [.keyParameters] : [])
            + [.firstMoment, .secondMoment] + banks.views.map { .bank($0) }
    }

    /// SHA-256 of everything that step n + 1 depends on.
    package func stateHash() -> Digest {
        let sections = sections
        let digests = ParallelPieces(threadCount: threadCount).map(sections.count) { [self] index in
            withPayload(of: sections[index], Digest.init(of:))
        }
        return SnapshotCopy.stateHash(sections.map(\.name), digests)
    }

    /// A copy of the state, without checksums; takes no longer than to copy it.
    package func copyState() -> SnapshotCopy {
        var writer = ByteWriter(reservingBytes: snapshotBytesMax)
        var parts: [SnapshotCopy.Section] = []
        writer.write(SnapshotSections.magic)
        writer.write(SnapshotSections.formatVersion)
        writer.write(UInt32(sections.count))
        for section in sections {
            withPayload(of: section) { payload in
                writer.write(section.name)
                writer.write(UInt64(payload.count))
                writer.write(block: [UInt8](repeating: 0, count: Digest.byteCount))
                let start = writer.bytes.count
                writer.write(raw: payload)
                parts.append(
                    .init(name: section.name, payload: start..<start + payload.count))
            }
        }
        return SnapshotCopy(bytes: writer.bytes, sections: parts)
    }

    package func encodeSnapshot() -> [UInt8] { copyState().seal().bytes }

    /// Replaces the whole state; throws before anything has changed if the bytes are damaged or
    /// belong to another model.
    ///
    /// - Returns: the state hash.
    @discardableResult
    package func restore(_ snapshot: [UInt8]) throws(MalformedSnapshot) -> Digest {
        do {
            let read = try SnapshotSections(decoding: snapshot)
            let payloads = try payloads(of: read)
            let counters = try decodeCounters(payloads)
            var restored = banks
            for view in banks.views {
                restored[view] = try decodeBank(of: view, after: counters.0, payloads)
            }
            try check(payloads)
            for (section, vector) in vectors {
                UnsafeMutableRawBufferPointer(vector.elements).copyBytes(
                    from: payloads[section] ?? [])
            }
            roundParameters()
            banks = restored
            (appliedStep, updateCount, scales) = counters
            gatheredKeys.reset()
            return read.stateHash
        } catch {
            throw MalformedSnapshot(reason: "\(error)")
        }
    }

    // MARK: - Writing

    private var vectors: [(Section, FloatVector)] {
        [
            (.parameters, parameters), (.firstMoment, optimizer.firstMoment),
            (.secondMoment, optimizer.secondMoment),
        ] + (configuration.hasKeyEncoder ? [(.keyParameters, keyParameters)] : [])
    }

    private func withPayload<Result>(
        of section: Section, _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
        if let vector = vectors.first(where: { $0.0 == section })?.1 {
            return body(UnsafeRawBufferPointer(vector.elements))
        }
        var writer = ByteWriter(reservingBytes: bankBytes(of: section))
        switch section {
        case .layout:
            writer.write(each: model.layout.entries) { writer, entry in
                writer.write(entry.name)
                writer.write(each: entry.shape) { $0.write(UInt64($1)) }
            }
        case .counters:
            writer.write(appliedStep.number)
            writer.write(updateCount)
            writer.write(block: scales)
        case .bank(let view): banks[view]?.encode(into: &writer)
        case .parameters, .keyParameters, .firstMoment, .secondMoment: break
        }
        return writer.bytes.withUnsafeBytes(body)
    }

    private var snapshotBytesMax: Int {
        let vectorBytes = vectors.count * elementCount * MemoryLayout<Float>.size
        let banksBytes = sections.reduce(0) { $0 + bankBytes(of: $1) }
        let layoutBytes = withPayload(of: .layout) { $0.count }
        return vectorBytes + banksBytes + layoutBytes + scales.count + Self.headBytesMax
    }

    /// Of a bank's payload; 0 for others.
    private func bankBytes(of section: Section) -> Int {
        guard case .bank(let view) = section else { return 0 }
        return banks[view]?.encodedByteCount ?? 0
    }

    // MARK: - Reading

    private typealias Payloads = [Section: ArraySlice<UInt8>]

    private func payloads(of read: SnapshotSections) throws(MalformedBytes) -> Payloads {
        guard read.names == sections.map(\.name) else {
            throw MalformedBytes(
                field: "header", offset: 0,
                rule: "it has the sections \(read.names.joined(separator: ", ")), the state of the "
                    + "run has " + sections.map(\.name).joined(separator: ", "))
        }
        return Dictionary(uniqueKeysWithValues: zip(sections, read.payloads))
    }

    private func decodeCounters(
        _ payloads: Payloads
    ) throws(MalformedBytes) -> (Step, UInt64, [UInt8]) {
        var reader = ByteReader(payloads[.counters] ?? [])
        let step = try reader.readStep("step")
        let updateCount = try reader.read(UInt64.self, "update count")
        let scales = try reader.readBlock("scales")
        try reader.expectEnd("counters")
        guard scales.count == self.scales.count, updateCount <= step.number else {
            throw MalformedBytes(
                field: "counters", offset: 0,
                rule: "\(updateCount) updates in \(step) steps, \(scales.count) scales of "
                    + "\(self.scales.count)")
        }
        return (step, updateCount, scales)
    }

    private func decodeBank(
        of view: ClipView, after step: Step, _ payloads: Payloads
    ) throws(MalformedBytes) -> MemoryBank {
        var reader = ByteReader(payloads[.bank(view)] ?? [])
        let bank = try MemoryBank(
            decoding: &reader, capacity: configuration.bankCapacity(after: step),
            width: configuration.model.projectionWidth)
        try reader.expectEnd(Section.bank(view).name)
        return bank
    }

    private func check(_ payloads: Payloads) throws(MalformedBytes) {
        var isSameLayout = false
        withPayload(of: .layout) { isSameLayout = $0.elementsEqual(payloads[.layout] ?? []) }
        guard isSameLayout else {
            throw MalformedBytes(
                field: "layout", offset: 0, rule: "the parameters are those of another model")
        }
        for (section, vector) in vectors {
            let byteCount = payloads[section]?.count ?? 0
            guard byteCount == vector.count * MemoryLayout<Float>.size else {
                throw MalformedBytes(
                    field: section.name, offset: 0,
                    rule: "\(byteCount) bytes for \(vector.count) numbers")
            }
        }
    }
}
