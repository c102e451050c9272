// swift-tools-version: 6.1
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

/// One target per line of the floor plan in docs/architecture.md. A target lists everything that it
/// imports, so that the compiler refuses an import upwards or sideways; the tidy test reads this.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

func floor(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(of name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: [.byName(name: name)] + dependencies,
        swiftSettings: strict)
}

let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let argumentParser: Target.Dependency = .product(
    name: "ArgumentParser", package: "swift-argument-parser")

/// What reads bytes of others.
let fuzzed: [Target.Dependency] = [
    "Primitives", "Hashing", "CKernels", "Messaging", "ClusterProtocol", "Collectives", "Datasets",
    "Tokenization", "Checkpoints", "WeightFiles", "Models", "Objectives", "Training",
    "ClusterRuntime",
]

let package = Package(
    name: "accord",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "accord", targets: ["accord"]),
        // Loaded by tests into processes that are to die at a point.
        .library(name: "StrikePoints", type: .dynamic, targets: ["StrikePoints"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // Floor 0: C libraries and C kernels.
        .systemLibrary(name: "CZeroMQ", providers: [.apt(["libzmq3-dev"])]),
        .systemLibrary(name: "CNettle", providers: [.apt(["nettle-dev"])]),
        .target(name: "COpenBLAS", linkerSettings: [.linkedLibrary("dl")]),
        .target(name: "COneDNN", linkerSettings: [.linkedLibrary("dnnl")]),
        .target(
            name: "CFFmpeg",
            linkerSettings: ["avformat", "avcodec", "swscale", "avutil"].map {
                .linkedLibrary($0)
            }),
        .target(name: "CSharedMemory"),
        .target(name: "CThreads"),
        .target(
            name: "CKernels",
            cSettings: [.unsafeFlags(["-O3", "-ffp-contract=off", "-fno-math-errno"])]),

        // Floor 1
        floor("Primitives", ["CKernels"]),
        floor("Hashing", ["CNettle"]),

        // Floor 2
        floor("Tensors", ["Primitives", "CKernels", "COpenBLAS", "COneDNN"]),
        floor("Threads", ["Primitives", "CThreads"]),
        floor("SharedMemory", ["Primitives", "CSharedMemory"]),
        floor("Media", ["Primitives", "CFFmpeg"]),
        floor("ClusterProtocol", ["Primitives"]),
        floor("Collectives", ["Primitives", "CKernels"]),

        // Floor 3
        floor("Autograd", ["Primitives", "Tensors", "CKernels"]),
        floor("Optimizers", ["Primitives", "Tensors", "CKernels"]),
        floor("Messaging", ["Primitives", "Threads", "CKernels", "CZeroMQ"]),
        floor("Datasets", ["Primitives", "Hashing", "Threads", "Media"]),
        floor("Tokenization", ["Primitives"]),
        floor("Checkpoints", ["Primitives", "Hashing"]),
        floor("WeightFiles", ["Primitives", "Tensors"]),

        // Floor 4
        floor("NeuralNetworks", ["Primitives", "Tensors", "CKernels", "Autograd"]),

        // Floor 5
        floor("Models", ["Primitives", "Tensors", "CKernels", "Autograd", "NeuralNetworks"]),
        floor("Objectives", ["Primitives", "Tensors", "Autograd", "Tokenization"]),

        // Floor 6
        floor(
            "Training",
            [
                "Primitives", "Hashing", "Tensors", "CKernels", "Collectives", "Autograd",
                "Optimizers", "Datasets", "Tokenization", "NeuralNetworks", "Models", "Objectives",
                "Threads", .product(name: "Yams", package: "Yams"),
            ]),
        floor(
            "Evaluation",
            [
                "Primitives", "Tensors", "Autograd", "Datasets", "NeuralNetworks", "Models",
                "Objectives",
            ]),
        floor(
            "PretrainedTowers",
            ["Hashing", "Tensors", "WeightFiles", "Autograd", "NeuralNetworks", "Models"]),

        // Floor 7
        floor(
            "ClusterRuntime",
            [
                "Primitives", "Hashing", "Tensors", "Threads", "Messaging", "Media",
                "ClusterProtocol", "Collectives", "SharedMemory", "Datasets", "Tokenization",
                "Checkpoints", "WeightFiles", "Objectives", "Training", "PretrainedTowers", grdb,
                logging,
            ]),
        floor(
            "Simulation",
            [
                "Primitives", "Hashing", "Tensors", "ClusterProtocol", "Collectives", "Datasets",
                "Optimizers", "Objectives",
            ]),

        // Floor 8
        .executableTarget(
            name: "accord",
            dependencies: [
                "Primitives", "Tensors", "Media", "ClusterProtocol", "Datasets", "Checkpoints",
                "WeightFiles", "Objectives", "Models", "Training", "Evaluation", "PretrainedTowers",
                "ClusterRuntime", "Simulation", "Tokenization", argumentParser, logging,
            ],
            swiftSettings: strict),

        // Benchmarks: beside the floors, for they measure all of them.
        .executableTarget(
            name: "benchmarks",
            dependencies: [
                "Primitives", "Tensors", "Collectives", "Autograd", "Optimizers",
                "NeuralNetworks", "Models", "Objectives", "Training", "Messaging", "Datasets",
                "Tokenization", "SharedMemory", "ClusterProtocol", "ClusterRuntime",
                argumentParser, logging,
            ],
            path: "Benchmarks", exclude: ["Limits", "Peers", "Plots"], swiftSettings: strict),

        // Tests
        tests(of: "Primitives"),
        tests(of: "Hashing"),
        tests(of: "Tensors", ["Primitives", "CKernels"]),
        tests(of: "Threads"),
        tests(of: "Messaging", ["Primitives", "Threads"]),
        tests(of: "SharedMemory"),
        tests(of: "Media", ["Primitives", "CFFmpeg"]),
        tests(of: "ClusterProtocol", ["Primitives"]),
        tests(of: "Collectives", ["Primitives", "CKernels"]),
        tests(of: "Autograd", ["Primitives", "CKernels", "Tensors", "WeightFiles"]),
        tests(of: "Optimizers", ["Primitives", "CKernels", "Tensors"]),
        tests(of: "Datasets", ["Primitives", "Hashing", "Media"]),
        tests(of: "Tokenization", ["Primitives"]),
        tests(of: "Checkpoints", ["Primitives"]),
        tests(of: "WeightFiles", ["Primitives", "Tensors"]),
        tests(of: "NeuralNetworks", ["Tensors", "Autograd"]),
        tests(of: "Models", ["Primitives", "Tensors", "Autograd", "NeuralNetworks"]),
        tests(of: "Objectives", ["Primitives", "Tensors", "Autograd"]),
        tests(
            of: "Training",
            [
                "Primitives", "Hashing", "Tensors", "Collectives", "Autograd", "Optimizers",
                "Datasets", "NeuralNetworks", "Models", "Objectives",
            ]),
        tests(
            of: "Evaluation",
            [
                "Primitives", "Tensors", "Autograd", "Datasets", "NeuralNetworks", "Models",
                "Objectives",
            ]),
        tests(
            of: "PretrainedTowers",
            [
                "Primitives", "Hashing", "Tensors", "Autograd", "NeuralNetworks", "Models",
                "WeightFiles",
            ]),
        tests(
            of: "ClusterRuntime",
            [
                "Primitives", "Hashing", "Tensors", "Threads", "Messaging", "ClusterProtocol",
                "Collectives", "Datasets", "Optimizers", "Checkpoints", "Models", "Objectives",
                "Training", "PretrainedTowers", grdb, logging,
            ]),
        tests(of: "Simulation", ["Primitives", "Hashing", "ClusterProtocol"]),
        .testTarget(
            name: "CommandLineTests", dependencies: ["accord", "Primitives", argumentParser],
            swiftSettings: strict),
        .testTarget(name: "TidyTests", swiftSettings: strict),
        .testTarget(
            name: "FuzzingTests", dependencies: fuzzed, exclude: ["Corpus"], swiftSettings: strict),
        .target(
            name: "StrikePoints", path: "Tests/StrikePoints",
            linkerSettings: [.linkedLibrary("dl")]),
        // Real processes: depends on the program so that it is built.
        .testTarget(
            name: "IntegrationTests", dependencies: ["accord", "Primitives", "WeightFiles"],
            swiftSettings: strict),
    ]
)

// `make fuzz` builds the same decoders as a program with libFuzzer's main function, and no tests.
if Context.environment["ACCORD_LIBFUZZER"] == "1" {
    package.targets.removeAll { $0.type == .test }
    package.products = [.executable(name: "fuzz", targets: ["fuzz"])]
    package.targets.append(
        .executableTarget(
            name: "fuzz", dependencies: fuzzed, path: "Tests/FuzzingTests",
            exclude: ["Corpus", "MutationTests.swift"],
            swiftSettings: strict + [.define("ACCORD_LIBFUZZER")]))
}
