// SPDX-License-Identifier: Apache-2.0
import Testing

/// A tiny tree that breaks one rule, and where a check must see it.
struct Offence: Sendable, CustomTestStringConvertible {
    let check: TidyCheck
    let files: [String: String]
    /// "path:line", sorted.
    let places: [String]

    init(_ check: TidyCheck, _ places: String..., in files: [String: String]) {
        self.check = check
        self.files = files
        self.places = places
    }

    var tree: SourceTree {
        SourceTree(files.sorted { $0.key < $1.key }.map { SourceFile($0.key, $0.value) })
    }

    var testDescription: String { check.rule }
}

extension Offence {
    static let all = sizes + floors + bans + wording + documents

    private static let sizes = [
        Offence(
            SizeChecks.all[0], "Sources/A/B.swift:601",
            in: [
                "Sources/A/B.swift": lines(601, "let a = 1"),
                "Sources/A/C.swift": lines(600, "let a = 1"),
            ]),
        Offence(
            SizeChecks.all[1], "Sources/A/B.swift:2", "Sources/A/C.c:1",
            in: [
                "Sources/A/B.swift":
                    "struct B {\n    func f(\n        a: Int\n    ) -> Int\n    {\n"
                    + lines(66, "// { more") + "    }\n}\nfunc g() {\n" + lines(68, "") + "}\n",
                "Sources/A/C.c": "int f(int a) {\n" + lines(70, "if (a) { a = '}'; }") + "}\n",
            ]),
        Offence(
            SizeChecks.all[2], "Sources/A/B.swift:2",
            in: ["Sources/A/B.swift": lines(1, columns(100)) + lines(1, columns(101))]),
        Offence(
            SizeChecks.all[3], "Sources/A/B.swift:2",
            in: [
                "Sources/A/B.swift": """
                func f(a: Int, b: (Int, Int), c: [Int], d: Int, e: Int) {}
                func g(a: Int, b: Int, c: Int, d: Int, e: Int, f: Int) {}
                """
            ]),
        Offence(
            SizeChecks.all[4], "weights.bin:1",
            in: [
                "weights.bin": lines(2623, columns(99)),
                "Tests/Fixtures/golden.json": lines(2623, columns(99)),
            ]),
    ]

    private static let house = [
        "docs/architecture.md": """
        | floor | target | is |
        |---|---|---|
        | 0 | `CThing` `CKernels` | C |
        | 1 | `Low` | low |
        | 2 | `Left` `Right` | siblings |
        """,
        "Package.swift": """
        targets: [
            .systemLibrary(name: "CThing", pkgConfig: "thing"),
            .target(name: "CKernels"),
            floor("Low", ["CKernels"]),
            floor(
                "Left", ["Low", "CThing", .product(name: "Low", package: "x")]),
            floor("Right", ["Low"]),
        ]
        """,
        "Sources/Low/Low.swift": "import CKernels\n",
        "Sources/Left/Left.swift": "import CThing\nimport Low\n",
        "Sources/Right/Right.swift": "// import Left\nimport Low\n",
    ]

    private static func house(_ path: String, _ old: String, _ new: String) -> [String: String] {
        house.merging([path: (house[path] ?? "").replacing(old, with: new)]) { $1 }
    }

    private static let floors = [
        Offence(
            FloorChecks.all[0], "Package.swift:7", "docs/architecture.md:1",
            in: house("docs/architecture.md", "`Right`", "`Wrong`")),
        Offence(
            FloorChecks.all[1], "Package.swift:7",
            in: house("Package.swift", "\"Right\", [\"Low\"", "\"Right\", [\"Left\", \"Low\"")),
        Offence(
            FloorChecks.all[2], "Package.swift:4", "Sources/Low/Low.swift:1",
            in: house("Sources/Low/Low.swift", "import CKernels", "@testable import CThing")),
        Offence(
            FloorChecks.all[3], "Sources/Right/Right.swift:1",
            in: house("Sources/Right/Right.swift", "import Low", "import CThing")),
        Offence(
            FloorChecks.all[4], "Sources/Collectives/A.swift:2",
            in: [
                "Sources/Collectives/A.swift": "// import Glibc\nimport Foundation\n",
                "Sources/Datasets/A.swift": "import Foundation\n",
            ]),
    ]

    private static let bans =
        zip(
            BannedCodeChecks.all,
            [
                "print(1)", "public let a = 1", "let b = a as! B", "let b = try? a()",
                "fatalError(\"a\")", "usleep(1)", "Task.detached {}", "import XCTest",
                "list.shuffled()", "let a = Date()", "let a = UUID()", "let a = getenv(\"A\")",
            ]
        ).map { check, code in
            Offence(
                check, "Sources/Collectives/A.swift:2",
                in: [
                    "Sources/Collectives/A.swift": "// \(code)\n\(code)\n\"\"\"\n\(code)\n\"\"\"\n",
                    "Sources/Collectives/B.swift":
                        "let a = \"\(code.replacing("\"", with: ""))\"\nblueprint(1)\nbase!\n"
                        + "log.print(1)\nvar publicly = 1\nlist.shuffled(using: 1)\nasleep(1)\n",
                ])
        }
        + [
            Offence(
                BannedCodeChecks.all[12], "Sources/A/New.swift:1",
                "Sources/Training/Replica.swift:2",
                in: [
                    "Sources/A/New.swift": "final class New: @unchecked Sendable {}\n",
                    "Sources/Training/Replica.swift":
                        "// A comment.\nfinal class Replica: @unchecked Sendable {}\n",
                    "Sources/Tensors/FloatVector.swift":
                        "// Sendable: nobody\n// writes.\nfinal class A: @unchecked Sendable {}\n",
                ]),
            Offence(
                BannedCodeChecks.all[13], "Sources/A/B.swift:2",
                in: ["Sources/A/B.swift": "let text = \"TODO\"\nlet a = 1  // TODO: b\n"]),
        ]

    private static let wording = [
        Offence(
            WordingChecks.all[0], "Sources/A/B.swift:1", "run.sh:2",
            in: [
                "Sources/A/B.swift": "import C\n", "run.sh": "#!/bin/sh\nls\n",
                "Package.swift":
                    "// swift-tools-version: 6.2\n// SPDX-License-Identifier: Apache-2.0\n",
            ]),
        Offence(
            WordingChecks.all[1], "Sources/A/TensorUtils.swift:1",
            in: ["Sources/A/TensorUtils.swift": "", "Sources/A/Utility.swift": ""]),
        Offence(
            WordingChecks.all[2], "Sources/A/B.swift:1", "Sources/A/B.swift:3",
            "Sources/ClusterProtocol/B.swift:1",
            in: [
                "Sources/A/B.swift":
                    "let numWorkers = 1\nrational(num: 1)\nfunc f(\n    at idx: Int) {}\n"
                    .replacing("func f(\n    at", with: "func f(at") + "let number = 1\n",
                "Sources/ClusterProtocol/B.swift": "var epoch = 1\n",
                "Sources/Datasets/B.swift": "var epoch = 1\n",
            ]),
    ]

    private static let documents = [
        Offence(
            DocumentChecks.all[0], "a.md:1", "b.md:5",
            in: ["a.md": "text\n# Late\n", "b.md": "# One\n```\n# code\n```\n# Two\n"]),
        Offence(
            DocumentChecks.all[1], "docs/a.md:3", "docs/a.md:4",
            in: [
                "docs/a.md": """
                # A title, with `code`
                [1](b.md) [2](../README.md#top) [3](https://x.org/y) [4](#a-title-with-code)
                [5](c.md)
                [6](b.md#nowhere)
                """,
                "docs/b.md": "# B\n", "README.md": "# Top\n",
            ]),
        Offence(
            DocumentChecks.all[2], "Sources/A/B.swift:2",
            in: [
                "Sources/A/B.swift": "// docs/there.md\n// docs/gone.md\n",
                "docs/there.md": "# There\n",
            ]),
        Offence(
            DocumentChecks.all[3], "configs/a.yaml:1",
            in: [
                "configs/a.yaml": "# Purpose: a\n# Time: b\nseed: 1\n# Result: late\n",
                "configs/b.yaml": "# Purpose: a\n# Result: b\n# Time: c\nseed: 1\n",
            ]),
        Offence(
            DocumentChecks.all[4], "docs/a.md:2",
            in: [
                "docs/a.md": "# `ThereTests`, `UpTests.oneTest`, Tests\n`GoneTests`\n",
                "Tests/UpTests/ThereTests.swift": "", "Sources/GoneTests.swift": "",
            ]),
        Offence(
            DocumentChecks.all[5], "docs/glossary.md:5",
            in: [
                "docs/glossary.md": """
                | say | means | do not say |
                |---|---|---|
                | `lane`, `a b` | a stream | rank |
                | say | means | do not say |
                | a b | a stream | - |
                """
            ]),
    ]

    private static func columns(_ count: Int) -> String { String(repeating: "ü", count: count) }

    private static func lines(_ count: Int, _ line: String) -> String {
        String(repeating: line + "\n", count: count)
    }
}
