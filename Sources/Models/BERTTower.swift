// SPDX-License-Identifier: Apache-2.0
import Autograd
import NeuralNetworks
import Primitives
import Tensors

/// BERT without its pooler: a vector per token.
///
/// ```
/// x = norm(word + type + position);  layers (post-norm)
/// ```
/// Rows are packed: a token that a mask leaves out is not there, which gives the others what an
/// additive mask gives them.
/// - Source: Devlin et al. 2018, arXiv:1810.04805; reference huggingface/transformers `BertModel`,
///   whose parameters it loads.
package struct BERTTower: PublishedTower {
    package struct Configuration: Sendable, Equatable {
        package var layer: TransformerLayer.Configuration
        package var layerCount: Int
        package var vocabularyCount: Int
        package var positionCount: Int
        package var typeCount: Int

        /// - Parameter layer: of post-normalisation.
        package init(
            _ layer: TransformerLayer.Configuration, layerCount: Int, vocabularyCount: Int,
            positionCount: Int, typeCount: Int
        ) {
            self.layer = layer
            self.layerCount = layerCount
            self.vocabularyCount = vocabularyCount
            self.positionCount = positionCount
            self.typeCount = typeCount
        }
    }

    /// The tokens of all texts, one after the other: R rows.
    package struct TokenRows: Sendable, Equatable {
        package var tokens: [Int32]
        /// Place of each token in its text; one that was left out keeps its place.
        package var positions: [Int32]
        package var types: [Int32]
        package var layout: SequenceLayout

        package init(
            tokens: [Int32], positions: [Int32], types: [Int32], layout: SequenceLayout
        ) {
            precondition(
                Set([tokens.count, positions.count, types.count, layout.rowCount]).count == 1,
                "\(tokens.count) tokens, \(positions.count) positions, \(types.count) types in "
                    + "\(layout.rowCount) rows")
            self.tokens = tokens
            self.positions = positions
            self.types = types
            self.layout = layout
        }
    }

    package let configuration: Configuration
    package let layout: ParameterLayout
    private let wordEmbedding: Embedding
    private let positionEmbedding: Embedding
    private let typeEmbedding: Embedding
    private let inputNorm: LayerNorm
    private let layers: [TransformerLayer]

    package init(_ configuration: Configuration) {
        self.configuration = configuration
        let width = configuration.layer.width
        var layout = ParameterLayout()
        func table(_ count: Int, _ name: String) -> Embedding {
            Embedding(count: count, width: width, name: "embeddings.\(name)", in: &layout)
        }
        wordEmbedding = table(configuration.vocabularyCount, "word")
        positionEmbedding = table(configuration.positionCount, "position")
        typeEmbedding = table(configuration.typeCount, "type")
        inputNorm = LayerNorm(
            width: width, epsilon: configuration.layer.epsilon, name: "embeddings.norm",
            in: &layout)
        layers = (0..<configuration.layerCount).map {
            TransformerLayer(configuration.layer, name: "encoder.\($0)", in: &layout)
        }
        self.layout = layout
    }

    /// Shapes: R rows -> [R, D].
    package func callAsFunction(_ rows: TokenRows, _ context: ForwardContext) -> Variable {
        let tape = context.tape
        var x = tape.add(wordEmbedding(rows.tokens, context), typeEmbedding(rows.types, context))
        x = inputNorm(tape.add(x, positionEmbedding(rows.positions, context)), context)  // [R, D]
        for layer in layers { x = layer(x, layout: rows.layout, context) }
        return x
    }
}

// MARK: - Published names

extension BERTTower {
    package static let prefixes = ["", "bert."]
    package static let ownParts = ["encoder."]

    private static let names = PublishedNames(
        parts: [
            "embeddings.word": "embeddings.word_embeddings",
            "embeddings.position": "embeddings.position_embeddings",
            "embeddings.type": "embeddings.token_type_embeddings",
            "embeddings.norm": "embeddings.LayerNorm",
        ],
        layer: (own: "encoder.", published: "encoder.layer."),
        layerParts: [
            "attention.query": "attention.self.query", "attention.key": "attention.self.key",
            "attention.value": "attention.self.value",
            "attention.output": "attention.output.dense",
            "attention.norm": "attention.output.LayerNorm", "intermediate": "intermediate.dense",
            "output": "output.dense", "output.norm": "output.LayerNorm",
        ])

    package var published: [PublishedParameter] {
        layout.entries.map { entry in
            let name = Self.names.name(of: entry.name)
            return PublishedParameter(names: [name] + Self.olderNames(of: name), shape: entry.shape)
        }
    }

    /// The checkpoints of 2018 say gamma and beta, and many are still published like that.
    private static func olderNames(of name: String) -> [String] {
        guard let dot = name.lastIndex(of: "."), name[..<dot].hasSuffix("LayerNorm") else {
            return []
        }
        return ["\(name[..<dot]).\(name.hasSuffix(".weight") ? "gamma" : "beta")"]
    }
}
