// SPDX-License-Identifier: Apache-2.0

/// The floors of docs/architecture.md, Package.swift and the imports must tell the same story.
enum FloorChecks {
    static let all = [
        TidyCheck("docs/architecture.md and Package.swift have the same targets", sameTargets),
        TidyCheck("a target depends on lower floors only", lowerFloorsOnly),
        TidyCheck("a target imports what Package.swift allows it, and all of that", imports),
        TidyCheck("only one target imports a C library", oneOwnerPerLibrary),
        TidyCheck("pure targets know no clock, thread, file or socket", pureTargets),
    ]

    static let documentPath = "docs/architecture.md"
    static let packagePath = "Package.swift"

    /// C libraries that are ours and that several targets may call.
    private static let sharedLibraries: Set = ["CKernels"]

    /// Targets that must do without an operating system.
    static let pure: Set = [
        "Primitives", "ClusterProtocol", "Collectives", "Tensors", "Autograd", "NeuralNetworks",
        "Models", "Objectives", "Optimizers",
    ]
    private static let impureModules: Set = [
        "Foundation", "FoundationEssentials", "Glibc", "Dispatch", "Logging",
    ]

    /// Floor of each target, from the rows "| 2 | `Tensors` … |" of the table.
    private static func floors(_ tree: SourceTree) -> [String: Int] {
        var floors: [String: Int] = [:]
        for line in tree[documentPath]?.lines ?? [] {
            let cells = line.split(separator: "|").map { $0.trimming(while: \.isWhitespace) }
            guard cells.count >= 2, let floor = Int(cells[0]) else { continue }
            for match in cells[1].matches(of: /`(\w+)`/) { floors[String(match.output.1)] = floor }
        }
        return floors
    }

    /// One `floor("Name", […])` or `.target(name: "Name", …)` of Package.swift.
    struct Declaration {
        let target: String
        let lineIndex: Int
        var dependencies: Set<String>
    }

    static func declarations(_ package: SourceFile) -> [Declaration] {
        let text = package.lines.joined(separator: "\n")
        let start =
            #/(?:floor|\.systemLibrary|\.target|\.executableTarget)\(\s*(?:name: )?"(\w+)"/#
        let matches = text.matches(of: start)
        let names = Set(matches.map { String($0.output.1) })
        return matches.map { match in
            // The declaration ends at the parenthesis that closes it; texts hold no parentheses.
            var depth = 1
            let rest = text[match.range.upperBound...].prefix { character in
                if character == "(" { depth += 1 }
                if character == ")" { depth -= 1 }
                return depth > 0
            }
            let quoted = rest.matches(of: #/(name: )?"(\w+)"/#).filter { $0.output.1 == nil }
            let line = text[..<match.range.lowerBound].count { $0 == "\n" }
            return Declaration(
                target: String(match.output.1), lineIndex: line,
                dependencies: names.intersection(quoted.map { String($0.output.2) }))
        }
    }

    private static func sameTargets(_ tree: SourceTree) -> [Violation] {
        guard let package = tree[packagePath], let document = tree[documentPath] else {
            let message = "it or \(packagePath) is missing"
            return [Violation(path: documentPath, line: 1, message: message)]
        }
        let floors = floors(tree)
        let declarations = declarations(package)
        let declared = Set(declarations.map(\.target))
        return declarations.filter { floors[$0.target] == nil }.map {
            package.violation($0.lineIndex, "\($0.target) has no floor in \(documentPath)")
        }
            + floors.keys.filter { !declared.contains($0) }.sorted().map {
                document.violation(0, "\($0) has a floor, but Package.swift has no such target")
            }
    }

    private static func lowerFloorsOnly(_ tree: SourceTree) -> [Violation] {
        guard let package = tree[packagePath] else { return [] }
        let floors = floors(tree)
        return declarations(package).flatMap { declaration in
            declaration.dependencies.sorted().compactMap { dependency in
                guard let own = floors[declaration.target], let other = floors[dependency],
                    other >= own
                else { return nil }
                return package.violation(
                    declaration.lineIndex,
                    "\(declaration.target) (floor \(own)) must not know \(dependency) "
                        + "(floor \(other))")
            }
        }
    }

    private static func imports(_ tree: SourceTree) -> [Violation] {
        guard let package = tree[packagePath] else { return [] }
        let declarations = declarations(package)
        let targets = Set(declarations.map(\.target))
        return declarations.flatMap { declaration in
            let files = tree.files(in: "Sources/\(declaration.target)/", endingIn: ".swift")
            let imports = files.flatMap { file in
                modules(of: file).filter { targets.contains($0.module) }.map { (file, $0) }
            }
            let forbidden = imports.filter { !declaration.dependencies.contains($1.module) }
            let unused = declaration.dependencies.subtracting(imports.map(\.1.module))
            return forbidden.map { file, used in
                file.violation(
                    used.lineIndex, "\(declaration.target) may not import \(used.module)")
            }
                + (files.isEmpty ? [] : unused.sorted()).map {
                    package.violation(
                        declaration.lineIndex,
                        "\(declaration.target) may import \($0), but does not; remove it")
                }
        }
    }

    private static func oneOwnerPerLibrary(_ tree: SourceTree) -> [Violation] {
        let libraries = floors(tree).filter { $0.value == 0 }.map(\.key)
        return libraries.sorted().filter { !sharedLibraries.contains($0) }.flatMap { library in
            let users = tree.files(in: "Sources/", endingIn: ".swift").filter { file in
                modules(of: file).contains { $0.module == library }
            }
            guard let owner = users.first?.target else { return [Violation]() }
            return users.filter { $0.target != owner }.map {
                $0.violation(0, "\(library) belongs to \(owner); nobody else imports it")
            }
        }
    }

    private static func pureTargets(_ tree: SourceTree) -> [Violation] {
        tree.files(in: "Sources/", endingIn: ".swift").flatMap { file in
            guard let target = file.target, pure.contains(target) else { return [Violation]() }
            return modules(of: file).filter { impureModules.contains($0.module) }.map {
                file.violation($0.lineIndex, "\(target) is pure and does without \($0.module)")
            }
        }
    }

    private static func modules(of file: SourceFile) -> [(lineIndex: Int, module: String)] {
        file.source.code.enumerated().compactMap { index, line in
            line.prefixMatch(of: /(?:@\w+ )*(?:package )?import (?:struct |enum )?(\w+)/)
                .map { (index, String($0.output.1)) }
        }
    }
}

extension Substring {
    func trimming(while condition: (Character) -> Bool) -> Substring {
        var rest = drop(while: condition)
        while let last = rest.last, condition(last) { rest.removeLast() }
        return rest
    }
}
