// SPDX-License-Identifier: Apache-2.0
import Foundation
import Primitives
import Yams

extension RunConfiguration {
    /// Reads and validates a configuration file.
    package init(contentsOf path: String) throws(ExitFailure) {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ExitFailure(
                .configurationInvalid, "cannot read the configuration \(path); is the path right?")
        }
        guard let text = String(data: data, encoding: .utf8) else {
            throw ExitFailure(.configurationInvalid, "\(path) is not UTF-8 text")
        }
        try self.init(yaml: text, file: path)
    }

    /// - Parameter file: the name for error messages.
    package init(yaml text: String, file: String) throws(ExitFailure) {
        self.init()
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw ExitFailure(.configurationInvalid, Self.sentence(for: error, file: file))
        }
        guard let mapping = root?.mapping else {
            throw ExitFailure(
                .configurationInvalid, "\(file) holds no keys; see docs/configuration.md")
        }
        try read(mapping, section: "", file: file)
        if let rule = brokenRule {
            throw ExitFailure(.configurationInvalid, "\(file): \(rule)")
        }
    }

    /// In our own words: the parser prints a picture of several lines.
    private static func sentence(for error: any Error, file: String) -> String {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            "\(file), line \(mark.line): this is not YAML: \(problem)"
        case .duplicatedKeysInMapping(let duplicates, let context):
            "\(file), line \(context.mark.line): \(duplicates.joined(separator: ", ")) "
                + "appears twice in one section"
        default:
            "\(file) is not YAML: \(error)"
        }
    }

    /// The canonical file: every key, in a fixed order. Reading it gives an equal value.
    package var resolvedYAML: String {
        var lines: [String] = []
        var section = ""
        for field in ConfigurationField.all {
            let parts = field.name.split(separator: ".").map(String.init)
            if parts.count == 2, parts[0] != section {
                section = parts[0]
                lines.append("\(section):")
            }
            let indent = parts.count == 2 ? "  " : ""
            lines.append("\(indent)\(parts[parts.count - 1]): \(field.text(in: self))")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// "key: other -> own" for every key that differs and decides the result.
    package func differences(from other: RunConfiguration) -> [String] {
        ConfigurationField.all.filter(\.decidesResult).compactMap { field in
            let (own, theirs) = (field.text(in: self), field.text(in: other))
            return own == theirs ? nil : "\(field.name): \(theirs) -> \(own)"
        }
    }

    private mutating func read(
        _ mapping: Node.Mapping, section: String, file: String
    ) throws(ExitFailure) {
        for (keyNode, value) in mapping {
            let line = keyNode.mark?.line ?? value.mark?.line ?? 0
            let place = "\(file), line \(line)"
            guard let key = keyNode.string else {
                throw ExitFailure(.configurationInvalid, "\(place): a key must be text")
            }
            let name = section.isEmpty ? key : "\(section).\(key)"
            if let field = ConfigurationField.all.first(where: { $0.name == name }) {
                try set(field, value, place: place)
            } else if Self.sections.contains(name) {
                guard let inner = value.mapping else {
                    throw ExitFailure(
                        .configurationInvalid, "\(place): \(name) needs indented keys below it")
                }
                try read(inner, section: name, file: file)
            } else {
                throw ExitFailure(
                    .configurationInvalid,
                    "\(place): unknown key \(name); did you mean \(Self.nearest(to: name))?")
            }
        }
    }

    private mutating func set(
        _ field: ConfigurationField, _ node: Node, place: String
    ) throws(ExitFailure) {
        let given = node.scalar?.string
        func refuse() -> ExitFailure {
            let found = given.map { $0.isEmpty ? "empty" : $0 } ?? "not a single value"
            return ExitFailure(
                .configurationInvalid,
                "\(place): \(field.name) is \(found), must be a \(field.rule)")
        }
        guard let given else { throw refuse() }
        switch field.storage {
        case .integer(let path, let range):
            guard let value = Int(given), range.contains(value) else { throw refuse() }
            self[keyPath: path] = value
        case .number(let path, let range):
            guard let value = Float(given), range.contains(value) else { throw refuse() }
            self[keyPath: path] = value
        case .text(let path):
            self[keyPath: path] = given
        case .parsed(let parsed):
            guard parsed.set(&self, given) else { throw refuse() }
        }
    }

    private static var sections: Set<String> {
        Set(
            ConfigurationField.all.compactMap { field in
                let parts = field.name.split(separator: ".")
                return parts.count == 2 ? String(parts[0]) : nil
            })
    }

    private static func nearest(to name: String) -> String {
        let known = ConfigurationField.all.map(\.name) + sections.sorted()
        return known.min { editDistance($0, name) < editDistance($1, name) } ?? ""
    }

    /// Insertions, deletions and replacements between two texts.
    /// - Source: Wagner and Fischer 1974.
    private static func editDistance(_ left: String, _ right: String) -> Int {
        let (left, right) = (Array(left), Array(right))
        var row = Array(0...right.count)
        for (i, character) in left.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, other) in right.enumerated() {
                let replaced = diagonal + (character == other ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(replaced, row[j] + 1, diagonal + 1)
            }
        }
        return row[right.count]
    }
}
