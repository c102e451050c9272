// SPDX-License-Identifier: Apache-2.0

/// Names of files and of things: docs/glossary.md, as far as a machine can see it.
enum WordingChecks {
    static let all = [
        TidyCheck("source files say under which licence they stand", licence),
        TidyCheck("file names say what is in them", fileNames),
        TidyCheck("names use the words of docs/glossary.md", names),
    ]

    private static let licenceLine = "SPDX-License-Identifier: Apache-2.0"

    private static func licence(_ tree: SourceTree) -> [Violation] {
        let files =
            tree.files(endingIn: ".swift", ".c", ".h", ".py", ".sh", "Makefile", ".ci/run")
        return files.compactMap { file in
            // A first line for a tool may precede it.
            let isToolLine =
                file.lines[0].hasPrefix("#!")
                || file.lines[0].hasPrefix("// swift-tools-version")
            let index = isToolLine ? 1 : 0
            let isThere = index < file.lines.count && file.lines[index].hasSuffix(licenceLine)
            return isThere ? nil : file.violation(index, "this line must say \(licenceLine)")
        }
    }

    private static let vagueNames: Set = [
        "util", "utils", "utilities", "helper", "helpers", "common", "misc", "manager",
        "extensions",
    ]

    private static func fileNames(_ tree: SourceTree) -> [Violation] {
        tree.files(endingIn: ".swift").compactMap { file in
            let name = file.path.split(separator: "/").last?.dropLast(".swift".count) ?? ""
            let vague = words(of: name).first { vagueNames.contains($0) }
            return vague.map { file.violation(0, "\"\($0)\" does not say what the file holds") }
        }
    }

    /// Words inside names, in lower case, and what to say instead.
    private static let bannedWords: [String: String] = [
        "num": "count, at the end", "idx": "index", "cnt": "count", "iter": "step",
        "minibatch": "microbatch", "params": "parameters", "cfg": "configuration",
        "util": "what it is", "utils": "what it is", "helper": "what it is",
        "helpers": "what it is", "manager": "what it is", "master": "coordinator",
        "slave": "worker", "src": "source", "dst": "target", "tmp": "what it is",
        "calc": "the verb", "lr": "learningRate", "tau": "temperature",
    ]

    /// Whole names, and what to say instead.
    private static let bannedNames: [String: String] = [
        "batchSize": "microbatchSize or globalBatchSize", "encoderQ": "query encoder",
        "encoderK": "key encoder", "numWorkers": "worldSize", "quorumId": "generation",
        "parameterServer": "coordinator", "sampleMask": "mask, true = keep",
        "queuePointer": "cursor", "virtualWorker": "lane",
    ]

    private static func names(_ tree: SourceTree) -> [Violation] {
        tree.files(endingIn: ".swift").flatMap { file in
            guard file.source.words.contains(where: isBanned) else { return [Violation]() }
            return file.source.code.enumerated().flatMap { index, line in
                declaredNames(line).compactMap { name -> Violation? in
                    if let better = bannedNames[String(name)] {
                        return file.violation(index, "\(name): say \(better)")
                    }
                    // An epoch is a pass over the clips; the membership has generations.
                    if file.target == "ClusterProtocol", words(of: name).contains("epoch") {
                        return file.violation(index, "\(name): say generation")
                    }
                    let word = words(of: name).first { bannedWords[$0] != nil }
                    return word.map {
                        file.violation(
                            index, "\(name): instead of \($0) say \(bannedWords[$0] ?? "")")
                    }
                }
            }
        }
    }

    private static func isBanned(_ name: String) -> Bool {
        bannedNames[name] != nil
            || words(of: name).contains { $0 == "epoch" || bannedWords[$0] != nil }
    }

    /// Names behind a declaring keyword, and those of parameters, which a type follows.
    private static func declaredNames(_ line: Substring) -> [Substring] {
        let declared = line.matches(
            of: /\b(?:let|var|func|struct|class|enum|actor|protocol|typealias|case)\s+(\w+)/)
        let parameters = line.matches(
            of: /(?:^\s*|[(,]\s*)(\w+)(?:\s+(\w+))?\s*:\s*(?:inout |any |some |\[|\()*[A-Z]/)
        return declared.map(\.output.1)
            + parameters.flatMap { [$0.output.1, $0.output.2].compactMap { $0 } }
    }

    /// "worldSizeMax" -> world, size, max.
    static func words(of name: some StringProtocol) -> [String] {
        var words: [String] = []
        var previous: Character = "_"
        // The library writes itself with two capitals.
        for character in String(name).replacing("NumPy", with: "Numpy") {
            if !character.isLetter && !character.isNumber {
                previous = "_"
                continue
            }
            let startsWord = previous == "_" || (character.isUppercase && !previous.isUppercase)
            if startsWord { words.append("") }
            words[words.count - 1].append(Character(character.lowercased()))
            previous = character
        }
        return words
    }
}
