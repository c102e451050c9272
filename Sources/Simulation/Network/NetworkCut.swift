// SPDX-License-Identifier: Apache-2.0
import Primitives

/// A part of the network that carries nothing for a while.
package struct NetworkCut: Equatable, Sendable {
    package enum Shape: Equatable, Sendable {
        /// One node from all others.
        case isolated(Int)
        /// One node from one other.
        case line(Int, Int)
        /// Every node is on one of two sides, drawn from the key.
        case halves(key: UInt64)
        /// ... and one node sees both.
        case bridged(key: UInt64, bridge: Int)
    }

    package enum Direction: CaseIterable, Sendable { case both, outwards, inwards }

    package enum Planes: CaseIterable, Sendable { case both, control, data }

    package var shape: Shape
    package var direction: Direction
    package var planes: Planes
    /// What is sent meanwhile comes when the cut ends, as TCP would do; otherwise it is lost.
    package var holdsBack: Bool

    package init(shape: Shape, direction: Direction, planes: Planes, holdsBack: Bool) {
        self.shape = shape
        self.direction = direction
        self.planes = planes
        self.holdsBack = holdsBack
    }

    func blocks(_ passage: Passage) -> Bool {
        switch (planes, passage.plane) {
        case (.control, .data), (.data, .control): return false
        default: break
        }
        if case .line(let near, let far) = shape,
            ![(near, far), (far, near)].contains(where: { $0 == (passage.source, passage.target) })
        {
            return false
        }
        switch (isInside(passage.source), isInside(passage.target)) {
        case (true, true), (false, false): return false
        case (true, false): return direction != .inwards && !touchesBridge(passage)
        case (false, true): return direction != .outwards && !touchesBridge(passage)
        }
    }

    private func isInside(_ node: Int) -> Bool {
        switch shape {
        case .isolated(let isolated): return node == isolated
        case .line(let near, _): return node == near
        case .halves(let key), .bridged(let key, _):
            var generator = SeededGenerator(seed: key, purpose: .testing, [UInt64(node)])
            return generator.next(below: 2) == 0
        }
    }

    private func touchesBridge(_ passage: Passage) -> Bool {
        guard case .bridged(_, let bridge) = shape else { return false }
        return passage.source == bridge || passage.target == bridge
    }

    /// The kinds of fault that this is.
    var kinds: [FaultKind] {
        var kinds: [FaultKind] = []
        switch shape {
        case .isolated: kinds.append(.nodeIsolated)
        case .line: kinds.append(.lineCut)
        case .halves: kinds.append(.networkHalved)
        case .bridged: kinds.append(.networkBridged)
        }
        if direction != .both { kinds.append(.oneWayCut) }
        switch planes {
        case .both: break
        case .control: kinds.append(.controlCut)
        case .data: kinds.append(.dataCut)
        }
        return kinds
    }
}

extension NetworkCut: CustomStringConvertible {
    /// For the trace.
    package var description: String {
        let place =
            switch shape {
            case .isolated(0): "the coordinator alone"
            case .isolated(let node): "worker \(node) alone"
            case .line(let near, let far): "the line of node \(near) to node \(far)"
            case .halves: "two halves"
            case .bridged(_, let node): "two halves, node \(node) sees both"
            }
        let way = direction == .both ? "" : ", \(direction)"
        let plane = planes == .both ? "" : ", \(planes) only"
        return place + way + plane + (holdsBack ? "" : ", with losses")
    }
}

/// The two networks between processes; a cut may concern only one.
enum Plane { case control, data }

/// From one process to another. Node 0 is the coordinator, the others are workers by number.
struct Passage {
    let plane: Plane
    let source: Int
    let target: Int
}
