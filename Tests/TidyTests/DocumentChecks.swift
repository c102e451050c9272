// SPDX-License-Identifier: Apache-2.0

/// Markdown documents and the headers of configurations.
enum DocumentChecks {
    static let all = [
        TidyCheck("a document has one title, in its first line", titles),
        TidyCheck("links lead to files and headings that are there", links),
        TidyCheck("documents that a file mentions are there", mentions),
        TidyCheck("a configuration says its purpose, result and time", configurationHeaders),
        TidyCheck("tests that a document names are there", suites),
        TidyCheck("a word stands once in docs/glossary.md", glossaryWords),
    ]

    private static func titles(_ tree: SourceTree) -> [Violation] {
        tree.files(endingIn: ".md").flatMap { file in
            let titles = text(of: file).filter { $0.line.hasPrefix("# ") }.map(\.index)
            guard titles.first == 0 else { return [file.violation(0, "there is no # title")] }
            return titles.dropFirst().map { file.violation($0, "this is a second title") }
        }
    }

    private static func links(_ tree: SourceTree) -> [Violation] {
        tree.files(endingIn: ".md").flatMap { file in
            text(of: file).flatMap { index, line in
                line.matches(of: /\]\(([^)\s]+)\)/).compactMap { match in
                    broken(String(match.output.1), in: file, tree).map {
                        file.violation(index, $0)
                    }
                }
            }
        }
    }

    /// Why the link leads nowhere; nil if it does not, or leaves the repository.
    private static func broken(_ link: String, in file: SourceFile, _ tree: SourceTree) -> String? {
        if link.contains("://") || link.hasPrefix("mailto:") { return nil }
        let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
        let path = parts[0].isEmpty ? file.path : resolve(parts[0], from: file.path)
        guard tree.contains(path) else { return "\(link) leads to \(path), which is not there" }
        guard parts.count == 2 else { return nil }
        let anchors = tree[path].map { target in
            text(of: target).filter { $0.line.hasPrefix("#") }.map { anchor(of: $0.line) }
        }
        return anchors?.contains(String(parts[1])) ?? false
            ? nil : "\(path) has no heading #\(parts[1])"
    }

    private static func resolve(_ link: Substring, from path: String) -> String {
        var parts = path.split(separator: "/").dropLast().map(String.init)
        for part in link.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(String(part)) }
        }
        return parts.joined(separator: "/")
    }

    /// As the forges make them: lower case, words joined by hyphens, other signs dropped.
    static func anchor(of heading: some StringProtocol) -> String {
        let text = heading.drop { $0 == "#" }.trimmingPrefix(while: \.isWhitespace).lowercased()
        return text.filter { $0.isLetter || $0.isNumber || " -_".contains($0) }
            .replacing(" ", with: "-")
    }

    /// The lines outside of code fences.
    private static func text(of file: SourceFile) -> [(index: Int, line: Substring)] {
        var isCode = false
        return file.lines.enumerated().compactMap { index, line in
            if line.trimmingPrefix(while: \.isWhitespace).hasPrefix("```") {
                isCode.toggle()
                return nil
            }
            return isCode ? nil : (index, line)
        }
    }

    private static func mentions(_ tree: SourceTree) -> [Violation] {
        let files = tree.files(endingIn: ".swift", ".md", ".yaml", ".py", "Makefile", ".ci/run")
        return files.filter { !$0.path.hasPrefix("Tests/TidyTests/") }.flatMap { file in
            file.lines.enumerated().flatMap { index, line in
                line.matches(of: /\b((?:docs|configs)\/[\w\/.-]+\.(?:md|yaml))\b/).compactMap {
                    let path = String($0.output.1)
                    return tree.contains(path)
                        ? nil : file.violation(index, "\(path) is not there")
                }
            }
        }
    }

    private static func configurationHeaders(_ tree: SourceTree) -> [Violation] {
        tree.files(in: "configs/", endingIn: ".yaml").flatMap { file in
            let header = file.lines.prefix { $0.hasPrefix("#") }
            return ["# Purpose: ", "# Result: ", "# Time: "].filter { start in
                !header.contains { $0.hasPrefix(start) }
            }.map { file.violation(0, "its header has no line \"\($0)…\"") }
        }
    }

    /// A suite, or a file of one, is called like its file; a target like its folder.
    private static func suites(_ tree: SourceTree) -> [Violation] {
        let known = Set(
            tree.files(in: "Tests/", endingIn: ".swift").flatMap { file in
                file.path.split(separator: "/").map { $0.split(separator: ".")[0] }
            })
        return tree.files(endingIn: ".md").flatMap { file in
            file.lines.enumerated().filter { $0.element.contains("Tests") }.flatMap { index, line in
                line.matches(of: /\b[A-Z]\w+Tests\b/).filter { !known.contains($0.output) }.map {
                    file.violation(index, "there is no \($0.output)")
                }
            }
        }
    }

    private static func glossaryWords(_ tree: SourceTree) -> [Violation] {
        guard let file = tree["docs/glossary.md"] else { return [] }
        var seen: Set<String> = []
        return file.lines.enumerated().flatMap { index, line -> [Violation] in
            let cells = line.split(separator: "|")
            // Dimensions are letters, and a table has a head.
            guard line.hasPrefix("| "), cells.count == 3 else { return [] }
            return cells[0].split(separator: ",").map { $0.filter { !" `".contains($0) } }
                .filter { $0 != "say" && !seen.insert($0).inserted }
                .map { file.violation(index, "\"\($0)\" stands twice") }
        }
    }
}
