// SPDX-License-Identifier: Apache-2.0
import Models
import Tensors
import WeightFiles

/// Parameters between a tower and the files of its publisher.
enum ParameterTransfer {
    /// All parameters of the tower; every one is found and has its shape before memory is taken.
    ///
    /// - Parameter authority: what says how the tower looks.
    static func load<Tower: PublishedTower>(
        _ tower: Tower, from directory: WeightDirectory, authority: String = "config.json"
    ) throws(WeightFileFailure) -> FloatVector {
        let prefix = prefix(of: tower, in: directory)
        let names = try findAll(tower, prefix, in: directory, authority)
        try refuseStrangers(tower, prefix, in: directory, authority)
        let vector = FloatVector(count: tower.layout.elementCount)
        for (entry, name) in zip(tower.layout.entries, names) {
            guard let (file, _) = directory.find(name) else { continue }
            try file.readFloats(
                name, into: UnsafeMutableBufferPointer(rebasing: vector.elements[entry.range]))
            try requireFinite(vector.elements[entry.range], name, file)
        }
        return vector
    }

    /// One number that is none would spoil every other with the first step.
    private static func requireFinite(
        _ values: Slice<UnsafeMutableBufferPointer<Float>>, _ name: String, _ file: SafetensorsFile
    ) throws(WeightFileFailure) {
        guard let place = values.firstIndex(where: { !$0.isFinite }) else { return }
        throw WeightFileFailure(
            file.path, "tensor \(WeightFileFailure.quoted(name))", expected: "finite numbers",
            found: "\(values[place]) as element \(place - values.startIndex)")
    }

    /// The parameters under the names that the publisher's programs look for.
    static func outgoing<Tower: PublishedTower>(
        _ tower: Tower, _ parameters: FloatVector
    ) -> [OutgoingTensor] {
        zip(tower.layout.entries, tower.published).map { entry, published in
            OutgoingTensor(
                (Tower.prefixes.first ?? "") + published.names[0], published.shape, parameters,
                offset: entry.offset)
        }
    }

    /// The prefix under which most parameters are found.
    private static func prefix<Tower: PublishedTower>(
        of tower: Tower, in directory: WeightDirectory
    ) -> String {
        let published = tower.published
        let counts = Tower.prefixes.map { prefix in
            published.count { parameter in
                parameter.names.contains { directory.find(prefix + $0) != nil }
            }
        }
        let best = counts.indices.max { counts[$0] < counts[$1] } ?? 0
        return counts[best] == 0 ? Tower.prefixes[0] : Tower.prefixes[best]
    }

    private static func findAll<Tower: PublishedTower>(
        _ tower: Tower, _ prefix: String, in directory: WeightDirectory, _ authority: String
    ) throws(WeightFileFailure) -> [String] {
        var names: [String] = []
        var missing: [PublishedParameter] = []
        for parameter in tower.published {
            let candidates = parameter.names.map { prefix + $0 }
            guard let name = candidates.first(where: { directory.find($0) != nil }),
                let (file, entry) = directory.find(name)
            else {
                missing.append(parameter)
                continue
            }
            guard entry.shape == parameter.shape else {
                throw WeightFileFailure(
                    file.path, "tensor \(WeightFileFailure.quoted(name))",
                    expected: "shape \(parameter.shape), as \(authority) says",
                    found: "shape \(entry.shape)")
            }
            names.append(name)
        }
        if let first = missing.first {
            let others = missing.count > 1 ? " (and \(missing.count - 1) others are missing)" : ""
            throw WeightFileFailure(
                directory.path, "tensor \"\(prefix)\(first.names[0])\"",
                expected: "a tensor of shape \(first.shape)", found: "none of this name\(others)")
        }
        return names
    }

    private static func refuseStrangers<Tower: PublishedTower>(
        _ tower: Tower, _ prefix: String, in directory: WeightDirectory, _ authority: String
    ) throws(WeightFileFailure) {
        let known = Set(tower.published.flatMap(\.names).map { prefix + $0 })
        let stranger = directory.names.filter { name in
            Tower.ownParts.contains { name.hasPrefix(prefix + $0) } && !known.contains(name)
        }.min()
        guard let stranger, let (file, entry) = directory.find(stranger) else { return }
        throw WeightFileFailure(
            file.path, "tensor \(WeightFileFailure.quoted(stranger))",
            expected: "only tensors that the model of \(authority) has there",
            found: "another one, of shape \(entry.shape)")
    }
}
