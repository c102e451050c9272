// SPDX-License-Identifier: Apache-2.0
import Checkpoints
import Foundation
import Primitives
import Synchronization

/// A disk in memory that can lose power at any operation and forgets what was not synchronised.
///
/// It promises only what POSIX does: content is durable after the file was synchronised, a name
/// after its directory was, a rename is atomic. Everything else may survive, or not, in any
/// combination: a subset of the changes of each directory, a torn prefix of each file.
final class SimulatedDisk: Storage {
    /// What a crash does to what was not synchronised.
    enum Loss: Sendable {
        case everything
        case nothing
        case random(seed: UInt64)

        func keepsChange(_ generator: inout SeededGenerator) -> Bool {
            switch self {
            case .everything: false
            case .nothing: true
            case .random: generator.nextBool(probability: 0.5)
            }
        }
    }

    enum Lie: Sendable { case none, fileSynchronisation, directorySynchronisation }

    private let lie: Lie
    private let state: Mutex<State>

    init(lie: Lie = .none) {
        self.lie = lie
        state = Mutex(State())
    }

    private init(_ image: State) {
        lie = .none
        state = Mutex(image)
    }

    /// Changing operations so far.
    var operationCount: Int { state.withLock { $0.operationCount } }

    func crash(atOperation number: Int) { state.withLock { $0.crashAt = number } }

    /// Runs once, right before the next rename.
    func beforeNextRename(_ body: @escaping @Sendable () -> Void) {
        state.withLock { $0.beforeRename = body }
    }

    /// Makes everything durable, as an hour without a crash does.
    func settle() {
        state.withLock { state in
            for key in state.files.keys { state.files[key]?.synchronize() }
            for key in state.directories.keys { state.directories[key]?.synchronize() }
        }
    }

    /// What is on the disk after the power came back.
    func image(losing loss: Loss) -> SimulatedDisk {
        var image = state.withLock { $0 }
        image.crashAt = .max
        image.operationCount = 0
        image.beforeRename = nil
        var generator = SeededGenerator(seed: Self.seed(of: loss), purpose: .testing)
        for key in image.files.keys.sorted() {
            guard var file = image.files[key] else { continue }
            file.live = Self.survivor(of: file, loss, &generator)
            file.durable = file.live
            image.files[key] = file
        }
        for key in image.directories.keys.sorted() {
            guard var directory = image.directories[key] else { continue }
            for change in directory.pending {
                if loss.keepsChange(&generator) { Directory.apply(change, to: &directory.durable) }
            }
            directory.pending = []
            directory.live = directory.durable
            image.directories[key] = directory
        }
        return SimulatedDisk(image)
    }

    private static func seed(of loss: Loss) -> UInt64 {
        if case .random(let seed) = loss { return seed }
        return 0
    }

    private static func survivor(
        of file: File, _ loss: Loss, _ generator: inout SeededGenerator
    ) -> [UInt8] {
        switch loss {
        case .everything: return file.durable
        case .nothing: return file.live
        case .random:
            if file.live == file.durable { return file.live }
            let kept = generator.next(below: file.live.count + 1)
            // Some file systems write the size before the content.
            let zeros = generator.nextBool(probability: 0.5) ? file.live.count - kept : 0
            return file.live.prefix(kept) + [UInt8](repeating: 0, count: zeros)
        }
    }

    // MARK: - Storage

    func createDirectory(_ path: String) throws(CheckpointFailure) {
        try change("create directory", path) { state throws(CheckpointFailure) in
            let (parent, name) = try Self.parent(of: path, in: state)
            if state.directories[parent]?.live[name] != nil { return }
            state.directories[state.nextNumber] = Directory()
            state.directories[parent]?.change(.link(name, .directory(state.nextNumber)))
            state.nextNumber += 1
        }
    }

    func write(_ pieces: [[UInt8]], to path: String) throws(CheckpointFailure) {
        let bytes = Array(pieces.joined())
        let isCrash = state.withLock { $0.operationCount + 1 == $0.crashAt }
        // Power that goes during a write leaves a part of it in the page cache, or on the disk.
        let written = isCrash ? bytes.count / 2 : bytes.count
        let body = { (state: inout State) throws(CheckpointFailure) in
            let (parent, name) = try Self.parent(of: path, in: state)
            if case .file(let number) = state.directories[parent]?.live[name] {
                state.files[number]?.live = Array(bytes.prefix(written))
                return
            }
            state.files[state.nextNumber] = File(live: Array(bytes.prefix(written)))
            state.directories[parent]?.change(.link(name, .file(state.nextNumber)))
            state.nextNumber += 1
        }
        if isCrash {
            try state.withLock { state throws(CheckpointFailure) in try body(&state) }
        }
        try change("write", path, body)
    }

    func synchronizeFile(_ path: String) throws(CheckpointFailure) {
        try change("synchronize", path) { state throws(CheckpointFailure) in
            guard case .file(let number) = try Self.node(path, in: state) else {
                throw Self.failure("synchronize", path, ENOENT)
            }
            if self.lie == .fileSynchronisation { return }
            state.files[number]?.synchronize()
        }
    }

    func synchronizeDirectory(_ path: String) throws(CheckpointFailure) {
        try change("synchronize", path) { state throws(CheckpointFailure) in
            guard case .directory(let number) = try Self.node(path, in: state) else {
                throw Self.failure("synchronize", path, ENOENT)
            }
            if self.lie == .directorySynchronisation { return }
            state.directories[number]?.synchronize()
        }
    }

    func rename(_ source: String, to target: String) throws(CheckpointFailure) {
        let body = state.withLock { state in
            defer { state.beforeRename = nil }
            return state.beforeRename
        }
        body?()
        try change("rename", target) { state throws(CheckpointFailure) in
            let (parent, sourceName) = try Self.parent(of: source, in: state)
            let (targetParent, targetName) = try Self.parent(of: target, in: state)
            precondition(parent == targetParent, "renamed across directories")
            guard state.directories[parent]?.live[sourceName] != nil else {
                throw Self.failure("rename", source, ENOENT)
            }
            if case .directory(let number) = state.directories[parent]?.live[targetName],
                state.directories[number]?.live.isEmpty == false
            {
                throw Self.failure("rename", target, ENOTEMPTY)
            }
            state.directories[parent]?.change(.rename(sourceName, to: targetName))
        }
    }

    func names(in path: String) throws(CheckpointFailure) -> [String]? {
        try state.withLock { state throws(CheckpointFailure) in
            guard case .directory(let number) = try Self.node(path, in: state) else { return nil }
            return state.directories[number]?.live.keys.map { $0 }
        }
    }

    func read(_ path: String) throws(CheckpointFailure) -> [UInt8] {
        try state.withLock { state throws(CheckpointFailure) in
            guard case .file(let number) = try Self.node(path, in: state),
                let file = state.files[number]
            else { throw Self.failure("open", path, ENOENT) }
            return file.live
        }
    }

    /// One operation per name, as on a real disk.
    func removeDirectory(_ path: String) throws(CheckpointFailure) {
        guard let names = try names(in: path) else { return }
        for name in names.sorted() {
            try change("remove", path) { state throws(CheckpointFailure) in
                guard case .directory(let number) = try Self.node(path, in: state) else { return }
                state.directories[number]?.change(.unlink(name))
            }
        }
        try change("remove", path) { state throws(CheckpointFailure) in
            let (parent, name) = try Self.parent(of: path, in: state)
            state.directories[parent]?.change(.unlink(name))
        }
    }

    private func change(
        _ operation: String, _ path: String,
        _ body: (inout State) throws(CheckpointFailure) -> Void
    ) throws(CheckpointFailure) {
        try state.withLock { state throws(CheckpointFailure) in
            state.operationCount += 1
            guard state.operationCount < state.crashAt else {
                throw Self.failure(operation, path, EIO)
            }
            try body(&state)
        }
    }

    private static func failure(
        _ operation: String, _ path: String, _ code: Int32
    ) -> CheckpointFailure {
        CheckpointFailure(operation: operation, path: path, cause: .system(code))
    }

    private static func node(
        _ path: String, in state: State
    ) throws(CheckpointFailure) -> Node? {
        var node = Node.directory(0)
        for name in path.split(separator: "/") where name != "." {
            guard case .directory(let number) = node,
                let next = state.directories[number]?.live[String(name)]
            else { return nil }
            node = next
        }
        return node
    }

    private static func parent(
        of path: String, in state: State
    ) throws(CheckpointFailure) -> (Int, String) {
        let names = path.split(separator: "/")
        let parentPath = names.dropLast().joined(separator: "/")
        guard case .directory(let number) = try node(parentPath, in: state),
            let name = names.last
        else { throw failure("find", path, ENOENT) }
        return (number, String(name))
    }
}
