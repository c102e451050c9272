// SPDX-License-Identifier: Apache-2.0
import Autograd
import NeuralNetworks
import Primitives
import Tensors

extension SingleStreamModel {
    /// Embedded rows, ready to be put together into views.
    package struct EmbeddedInputs {
        /// Text rows of all sequences, then frame rows of all clips: [R, D].
        let rows: Variable
        let textLayout: SequenceLayout
        let frameLayout: SequenceLayout
    }

    /// One sequence for the layers: a text, a clip, or a text followed by a clip.
    package struct View: Sendable, Hashable {
        package var text: Int?
        package var clip: Int?
        /// Which frames of the clip, ascending; nil for all.
        package var frames: [Int]?

        package init(text: Int? = nil, clip: Int? = nil, frames: [Int]? = nil) {
            self.text = text
            self.clip = clip
            self.frames = frames
        }
    }

    /// What makes a pooled row a vector that the contrastive loss compares.
    package enum Projection: Sendable, Equatable {
        case text
        case video
        case joint

        /// - Precondition: the view shows something.
        package init(showsText: Bool, showsVideo: Bool) {
            precondition(showsText || showsVideo, "a view of nothing")
            self = showsVideo ? (showsText ? .joint : .video) : .text
        }
    }

    /// The layers' outputs for a list of views.
    package struct EncodedViews {
        /// [R, D], packed.
        package let hidden: Variable
        package let layout: SequenceLayout
        /// The mean over each sequence: [views, D].
        package let pooled: Variable
    }

    /// Embeds texts and clips once; any number of views may then be built from them.
    ///
    /// - Parameter texts: token ids of each text, at most `tokenCountMax`.
    /// - Parameter clips: bytes [F, S, S, 3] of each clip's frames, at most `frameCount`.
    /// - Precondition: there is at least one token or frame.
    package func embed(
        texts: [[Int32]], clips: [[UInt8]], _ context: ForwardContext
    ) -> EmbeddedInputs {
        let frameBytes = inputShape.frameSize * inputShape.frameSize * 3
        let textLayout = SequenceLayout(lengths: texts.map(\.count))
        let frameLayout = SequenceLayout(lengths: clips.map { $0.count / frameBytes })
        check(textLayout, countMax: inputShape.tokenCountMax, "tokens")
        check(frameLayout, countMax: inputShape.frameCount, "frames")
        var parts: [Variable] = []
        if textLayout.rowCount > 0 { parts.append(embed(texts: texts, textLayout, context)) }
        if frameLayout.rowCount > 0 { parts.append(embed(clips: clips, frameLayout, context)) }
        return EmbeddedInputs(
            rows: context.tape.concatenateRows(parts), textLayout: textLayout,
            frameLayout: frameLayout)
    }

    /// Runs all views in one pass: the sequences only meet in the matrix products.
    package func encode(
        _ views: [View], of inputs: EmbeddedInputs, _ context: ForwardContext
    ) -> EncodedViews {
        let tape = context.tape
        let frameStart = inputs.textLayout.rowCount
        var rows: [Int32] = []
        var lengths: [Int] = []
        for view in views {
            let start = rows.count
            if let text = view.text {
                rows += inputs.textLayout.rows(of: text).map(Int32.init)
            }
            if let clip = view.clip {
                let all = inputs.frameLayout.rows(of: clip)
                let chosen = view.frames?.map { all.lowerBound + $0 } ?? Array(all)
                rows += chosen.map { Int32(frameStart + $0) }
            }
            lengths.append(rows.count - start)
        }
        let layout = SequenceLayout(lengths: lengths)
        var x = tape.gatherRows(inputs.rows, rows)  // [R, D]
        for layer in layers { x = layer(x, layout: layout, context) }
        return EncodedViews(hidden: x, layout: layout, pooled: tape.meanPool(x, layout: layout))
    }

    /// Unit vectors for the contrastive loss. Shapes: pooled [n, D] -> [n, projectionWidth].
    package func projectText(_ pooled: Variable, _ context: ForwardContext) -> Variable {
        context.tape.normalizeRows(textProjection(pooled, context))
    }

    /// Unit vectors for the contrastive loss. Shapes: pooled [n, D] -> [n, projectionWidth].
    package func projectVideo(_ pooled: Variable, _ context: ForwardContext) -> Variable {
        context.tape.normalizeRows(videoProjection(pooled, context))
    }

    /// Unit vectors for the contrastive loss. Shapes: rows [n, D] -> [n, projectionWidth].
    package func project(
        _ rows: Variable, _ projection: Projection, _ context: ForwardContext
    ) -> Variable {
        switch projection {
        case .text: return projectText(rows, context)
        case .video: return projectVideo(rows, context)
        case .joint:
            guard let jointProjection else { preconditionFailure("no joint projection") }
            return context.tape.normalizeRows(jointProjection(rows, context))
        }
    }

    /// Logits of "another clip's text" and "the clip's own text".
    ///
    /// Shapes: pooled [n, D], of views with text and frames -> [n, 2].
    package func matchingLogits(_ pooled: Variable, _ context: ForwardContext) -> Variable {
        guard let matchingHead else { preconditionFailure("no matching head") }
        return matchingHead(pooled, context)
    }

    /// Logits over the vocabulary; the decoder shares the word embedding.
    ///
    /// Shapes: hidden [n, D] -> [n, vocabularyCount].
    package func languageLogits(_ hidden: Variable, _ context: ForwardContext) -> Variable {
        // Few rows, and the norm reads them in f32: GELU by itself costs nothing here.
        let activated = context.tape.gelu(languageDense(hidden, context))
        let dense = languageNorm(activated, context)
        return context.tape.linear(
            dense, weight: context(wordEmbedding.table), bias: context(languageBias))
    }

    private func check(_ layout: SequenceLayout, countMax: Int, _ unit: String) {
        for sequence in 0..<layout.count {
            let count = layout.rows(of: sequence).count
            precondition(
                count <= countMax, "\(count) \(unit), the model has places for \(countMax)")
        }
    }

    private func embed(
        texts: [[Int32]], _ layout: SequenceLayout, _ context: ForwardContext
    ) -> Variable {
        let positions = texts.flatMap { $0.indices.map(Int32.init) }
        let types = [Int32](repeating: 0, count: layout.rowCount)
        let sum = context.tape.add(
            wordEmbedding(texts.flatMap { $0 }, context), textPosition(positions, context))
        return textNorm(context.tape.add(sum, typeEmbedding(types, context)), context)
    }

    private func embed(
        clips: [[UInt8]], _ layout: SequenceLayout, _ context: ForwardContext
    ) -> Variable {
        let positions = (0..<layout.count).flatMap { clip in
            (0..<layout.rows(of: clip).count).map(Int32.init)
        }
        let types = [Int32](repeating: 1, count: layout.rowCount)
        let sum = context.tape.add(
            visionTower(clips, context), framePosition(positions, context))
        return frameNorm(context.tape.add(sum, typeEmbedding(types, context)), context)
    }
}
