// SPDX-License-Identifier: Apache-2.0
import Primitives
import Tensors

/// What the files of a model's publisher call a parameter of a tower, and how they shape it.
package struct PublishedParameter: Sendable, Equatable {
    /// Without prefix; the first is the one that is written, the others are read as well.
    package let names: [String]
    /// Of as many elements, in the same order, as the tower's own shape.
    package let shape: [Int]
}

/// A model whose parameters others publish.
package protocol PublishedTower: Sendable {
    var layout: ParameterLayout { get }
    /// In the order of `layout.entries`.
    var published: [PublishedParameter] { get }
    /// What may stand before all names: the first is the one that is written.
    static var prefixes: [String] { get }
    /// How names begin, behind the prefix, of which the tower must know every one: an unknown one
    /// means that the file holds another architecture.
    static var ownParts: [String] { get }
}

/// Our names and theirs: a table for what stands alone, another for what each layer has.
struct PublishedNames: Sendable {
    let parts: [String: String]
    /// What stands before the number of a layer.
    let layer: (own: String, published: String)
    let layerParts: [String: String]

    /// "encoder.3.attention.query.weight" -> "encoder.layer.3.attention.self.query.weight".
    func name(of own: String) -> String {
        if let whole = parts[own] { return whole }
        let leaf = own.split(separator: ".").last ?? ""
        let stem = own.dropLast(leaf.count + 1)
        if let part = parts[String(stem)] { return "\(part).\(leaf)" }
        let inner = stem.dropFirst(layer.own.count)
        let number = inner.prefix { $0 != "." }
        let part = layerParts[String(inner.dropFirst(number.count + 1))]
        precondition(
            stem.hasPrefix(layer.own) && part != nil, "\(own) has no name for publication")
        return "\(layer.published)\(number).\(part ?? "").\(leaf)"
    }
}
