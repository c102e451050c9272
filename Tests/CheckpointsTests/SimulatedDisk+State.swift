// SPDX-License-Identifier: Apache-2.0

/// What stands on the disk: as seen now, and as it is durable.
extension SimulatedDisk {
    enum Node: Sendable, Equatable {
        case file(Int)
        case directory(Int)
    }

    enum Change: Sendable {
        case link(String, Node)
        case unlink(String)
        case rename(String, to: String)
    }

    struct File: Sendable {
        var live: [UInt8] = []
        var durable: [UInt8] = []

        mutating func synchronize() { durable = live }
    }

    struct Directory: Sendable {
        var live: [String: Node] = [:]
        var durable: [String: Node] = [:]
        var pending: [Change] = []

        mutating func change(_ change: Change) {
            Self.apply(change, to: &live)
            pending.append(change)
        }

        mutating func synchronize() {
            durable = live
            pending = []
        }

        static func apply(_ change: Change, to names: inout [String: Node]) {
            switch change {
            case .link(let name, let node): names[name] = node
            case .unlink(let name): names[name] = nil
            case .rename(let source, let target):
                guard let node = names.removeValue(forKey: source) else { return }
                names[target] = node
            }
        }
    }

    struct State: Sendable {
        var files: [Int: File] = [:]
        var directories: [Int: Directory] = [0: Directory()]
        var nextNumber = 1
        var operationCount = 0
        var crashAt = Int.max
        var beforeRename: (@Sendable () -> Void)?
    }
}
