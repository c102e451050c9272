// SPDX-License-Identifier: Apache-2.0

/// One life of a process: it may stand still, compute slowly, have a clock of its own, and die.
///
/// Whoever comes after it, at the same place in the network or not, is another object.
package class VirtualProcess {
    /// Its place in the network.
    let node: Int
    let name: String
    /// Units of virtual time between two ticks: no two clocks agree.
    let tickUnits: Int
    private(set) var isAlive = true
    private(set) var isFrozen = false
    /// What has come while it stood still.
    private var backlog: [() -> Void] = []
    /// Gets no ticks, but does all else.
    var isClockStopped = false
    /// How many times longer everything takes it.
    var slowness = 1

    init(node: Int, name: String, tickUnits: Int) {
        self.node = node
        self.name = name
        self.tickUnits = tickUnits
    }

    /// Runs an action now, when it thaws, or never.
    func run(_ action: @escaping () -> Void) {
        guard isAlive else { return }
        if isFrozen { backlog.append(action) } else { action() }
    }

    func die() {
        isAlive = false
        backlog = []
    }

    func freeze() { isFrozen = true }

    /// Everything that has piled up happens at once.
    func thaw() {
        guard isFrozen else { return }
        isFrozen = false
        let actions = backlog
        backlog = []
        for action in actions where isAlive { action() }
    }
}
