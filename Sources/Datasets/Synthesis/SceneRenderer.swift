// SPDX-License-Identifier: Apache-2.0

/// Draws the frames of a synthetic clip: one large object that moves over a background.
///
/// Isolation: one thread.
struct SceneRenderer {
    private let script: ClipScript
    private var pixels: [UInt8]

    init(_ script: ClipScript) {
        self.script = script
        pixels = [UInt8](repeating: 0, count: script.width * script.height * 3)
    }

    /// Shapes: the frame [height, width, 3] that `body` gets is valid during the call.
    mutating func draw<Failure: Error>(
        frame: Int, _ body: (UnsafeBufferPointer<UInt8>) throws(Failure) -> Void
    ) throws(Failure) {
        let scenes = script.scenes
        let framesPerScene = (script.frameCount + scenes.count - 1) / scenes.count
        let scene = scenes[frame / framesPerScene]
        let progress = Float(frame % framesPerScene) / Float(max(1, framesPerScene - 1))
        let (width, height) = (script.width, script.height)
        let result: Result<Void, Failure> = pixels.withUnsafeMutableBufferPointer { buffer in
            Self.draw(scene, progress, width, height, buffer)
            do throws(Failure) {
                return .success(try body(UnsafeBufferPointer(buffer)))
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    private static func draw(
        _ scene: SceneAppearance, _ progress: Float, _ width: Int, _ height: Int,
        _ buffer: UnsafeMutableBufferPointer<UInt8>
    ) {
        let short = Float(min(width, height))
        let travel = (progress - 0.5) * 0.4 * short
        let (dx, dy): (Float, Float) =
            switch scene.motion {
            case .left: (-travel, 0)
            case .right: (travel, 0)
            case .up: (0, -travel)
            case .down: (0, travel)
            }
        let centre = (x: Float(width) / 2 + dx, y: Float(height) / 2 + dy)
        let radius = 0.36 * short
        let background = scene.background.channels
        let colour = scene.colour.channels
        var target = 0
        for row in 0..<height {
            let y = (Float(row) + 0.5 - centre.y) / radius
            for column in 0..<width {
                let x = (Float(column) + 0.5 - centre.x) / radius
                var (red, green, blue) = background
                if abs(x) <= 1, abs(y) <= 1, contains(scene.shape, x, y) {
                    (red, green, blue) =
                        isDark(scene.texture, x, y)
                        ? (colour.0 * 3 / 4, colour.1 * 3 / 4, colour.2 * 3 / 4) : colour
                }
                buffer[target] = UInt8(red)
                buffer[target + 1] = UInt8(green)
                buffer[target + 2] = UInt8(blue)
                target += 3
            }
        }
    }

    /// Coordinates -1...1 from the centre of the object, y downwards.
    private static func contains(_ shape: SceneAppearance.Shape, _ x: Float, _ y: Float) -> Bool {
        let square = x * x + y * y
        switch shape {
        case .circle: return square <= 1
        case .square: return abs(x) <= 0.85 && abs(y) <= 0.85
        case .triangle: return y <= 0.8 && abs(x) <= (y + 1) * 0.55
        case .star: return abs(x * y) <= 0.06 && square <= 1 || square <= 0.12
        case .cross: return abs(x) <= 0.3 || abs(y) <= 0.3
        case .ring: return square <= 1 && square >= 0.3
        }
    }

    private static func isDark(_ texture: SceneAppearance.Texture, _ x: Float, _ y: Float) -> Bool {
        let (column, row) = (Int((x + 1) * 4), Int((y + 1) * 4))
        switch texture {
        case .plain: return false
        case .stripes: return row % 2 == 1
        case .checks: return (column + row) % 2 == 1
        case .dots:
            let (fx, fy) = ((x + 1) * 4 - Float(column) - 0.5, (y + 1) * 4 - Float(row) - 0.5)
            return fx * fx + fy * fy < 0.1
        }
    }
}
