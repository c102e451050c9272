// SPDX-License-Identifier: Apache-2.0

/// What one scene of a synthetic clip shows: one large object moving over a background.
struct SceneAppearance: Equatable, Hashable, Sendable {
    /// The corners of the colour cube, as far apart as colours can be.
    enum Colour: Int, CaseIterable, Sendable {
        case red, green, blue, cyan, magenta, yellow, white, black

        /// Red, green and blue.
        var channels: (Int, Int, Int) {
            switch self {
            case .red: (222, 34, 34)
            case .green: (34, 200, 34)
            case .blue: (34, 34, 222)
            case .cyan: (34, 214, 214)
            case .magenta: (214, 34, 214)
            case .yellow: (230, 224, 34)
            case .white: (236, 236, 236)
            case .black: (20, 20, 20)
            }
        }
    }

    enum Shape: Int, CaseIterable, Sendable {
        case circle, square, triangle, star, cross, ring
    }

    enum Texture: Int, CaseIterable, Sendable {
        case plain, stripes, checks, dots
    }

    enum Motion: Int, CaseIterable, Sendable {
        case left, right, up, down
    }

    var background: Colour
    /// Never that of the background.
    var colour: Colour
    var shape: Shape
    var texture: Texture
    var motion: Motion
}
