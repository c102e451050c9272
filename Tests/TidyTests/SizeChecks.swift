// SPDX-License-Identifier: Apache-2.0

/// Limits of files, functions and lines.
enum SizeChecks {
    static let all = [
        TidyCheck("no file has more than \(fileLinesMax) lines", longFiles),
        TidyCheck("no function has more than \(functionLinesMax) lines", longFunctions),
        TidyCheck("no line has more than \(columnsMax) columns", longLines),
        TidyCheck("no function takes more than \(parametersMax) parameters", manyParameters),
        TidyCheck("no file outside the fixtures has more than 256 KiB", largeFiles),
    ]

    private static let fileLinesMax = 600
    private static let functionLinesMax = 70
    private static let columnsMax = 100
    private static let parametersMax = 5
    private static let fileBytesMax = 256 << 10

    private static func longFiles(_ tree: SourceTree) -> [Violation] {
        tree.files(endingIn: ".swift", ".c", ".h", ".py").compactMap { file in
            // The text after the last line break is not a line.
            let count = file.lines.count - (file.lines.last == "" ? 1 : 0)
            guard count > fileLinesMax else { return nil }
            return file.violation(count - 1, "the file has \(count) lines; split it by task")
        }
    }

    private static func longFunctions(_ tree: SourceTree) -> [Violation] {
        tree.files(endingIn: ".swift", ".c", ".h").flatMap { file in
            file.source.functions.filter { $0.lines.count > functionLinesMax }.map {
                file.violation($0.lines.lowerBound, "\($0.name) has \($0.lines.count) lines")
            }
        }
    }

    private static func longLines(_ tree: SourceTree) -> [Violation] {
        let files =
            tree.files(endingIn: ".swift", ".c", ".h", ".py", ".yaml", "Makefile", ".ci/run")
        return files.flatMap { file in
            file.lines.enumerated().filter {
                $0.element.utf8.count > columnsMax && $0.element.count > columnsMax
            }.map {
                file.violation($0.offset, "the line has \($0.element.count) columns")
            }
        }
    }

    private static func manyParameters(_ tree: SourceTree) -> [Violation] {
        tree.files(in: "Sources/", endingIn: ".swift").flatMap { file in
            file.source.functions.filter { $0.parameterCount > parametersMax }.map {
                file.violation(
                    $0.lines.lowerBound,
                    "\($0.name) takes \($0.parameterCount) parameters; make them a structure")
            }
        }
    }

    private static func largeFiles(_ tree: SourceTree) -> [Violation] {
        tree.files
            .filter { $0.byteCount > fileBytesMax && !$0.path.hasPrefix("Tests/Fixtures/") }
            .map { $0.violation(0, "the file has \($0.byteCount) bytes; generate or fetch it") }
    }
}
