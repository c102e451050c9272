// SPDX-License-Identifier: Apache-2.0
import Autograd
import Models
import NeuralNetworks
import Tensors
import WeightFiles

/// The inputs of BERT, checked: B texts of T places.
struct TextInputs {
    let textCount: Int
    let placeCount: Int
    let tokens: [Int64]
    /// Nil = all zero.
    let types: [Int64]?
    /// Nil = all taken.
    let mask: [Int64]?

    private static let names = ["input_ids", "attention_mask", "token_type_ids"]

    init(
        _ file: SafetensorsFile, _ configuration: BERTTower.Configuration
    ) throws(WeightFileFailure) {
        try InputRules.checkNames(file, known: Self.names)
        let shape = try file.entry(Self.names[0]).shape
        let placesMax = min(configuration.positionCount, TowerEncoder.sequenceRowsMax)
        guard shape.count == 2, (1...placesMax).contains(shape[1]) else {
            throw InputRules.failure(
                file, Self.names[0], "shape [texts, tokens] with 1 to \(placesMax) tokens",
                "shape \(shape)")
        }
        textCount = shape[0]
        placeCount = shape[1]
        try InputRules.checkOutput(file, Self.names[0], shape + [configuration.layer.width])
        func read(_ name: String, below bound: Int) throws(WeightFileFailure) -> [Int64] {
            let found = try file.entry(name).shape
            guard found == shape else {
                throw InputRules.failure(
                    file, name, "shape \(shape), as input_ids", "shape \(found)")
            }
            let numbers = try file.readIntegers(name)
            if let wrong = numbers.firstIndex(where: { !(0..<Int64(bound)).contains($0) }) {
                throw InputRules.failure(
                    file, name, "numbers from 0 to \(bound - 1)",
                    "\(numbers[wrong]) at [\(wrong / shape[1]), \(wrong % shape[1])]")
            }
            return numbers
        }
        tokens = try read(Self.names[0], below: configuration.vocabularyCount)
        let given = file.header.entries
        mask = given[Self.names[1]] == nil ? nil : try read(Self.names[1], below: 2)
        types =
            given[Self.names[2]] == nil
            ? nil : try read(Self.names[2], below: configuration.typeCount)
    }

    /// Places of the texts that the mask takes, by text.
    func takenPlaces(of texts: Range<Int>) -> [[Int]] {
        texts.map { text in
            (0..<placeCount).filter { place in (mask?[text * placeCount + place] ?? 1) == 1 }
        }
    }
}

extension TowerEncoder {
    /// last_hidden_state [B, T, D], zero where the mask is 0; pooled [B, D], the mean of the rest.
    func encode(
        _ inputs: TextInputs, _ tower: BERTTower, _ parameters: FloatVector
    ) -> [OutgoingTensor] {
        let width = tower.configuration.layer.width
        let (textCount, placeCount) = (inputs.textCount, inputs.placeCount)
        let hidden = FloatVector(count: textCount * placeCount * width)
        let pooled = FloatVector(count: textCount * width)
        for texts in Self.microbatches(count: textCount, rowsPerSequence: placeCount) {
            let taken = inputs.takenPlaces(of: texts)
            let places = zip(texts, taken).flatMap { text, places in
                places.map { text * placeCount + $0 }
            }
            guard !places.isEmpty else { continue }
            let rows = BERTTower.TokenRows(
                tokens: places.map { Int32(inputs.tokens[$0]) },
                positions: taken.flatMap { $0.map(Int32.init) },
                types: places.map { place in Int32(inputs.types?[place] ?? 0) },
                layout: SequenceLayout(lengths: taken.map(\.count)))
            let context = context(tower.layout, parameters)
            let x = tower(rows, context)
            let means = context.tape.meanPool(x, layout: rows.layout)
            for (row, place) in places.enumerated() {
                (hidden.pointer + place * width).update(
                    from: x.value.data + row * width, count: width)
            }
            (pooled.pointer + texts.lowerBound * width).update(
                from: means.value.data, count: means.value.count)
        }
        return [
            OutgoingTensor("last_hidden_state", [textCount, placeCount, width], hidden),
            OutgoingTensor("pooled", [textCount, width], pooled),
        ]
    }
}
