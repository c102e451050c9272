// SPDX-License-Identifier: Apache-2.0
import Objectives

/// A value that is one of a few words in the configuration file.
protocol ConfigurationWord: RawRepresentable<String>, CaseIterable, Sendable {}

/// Whether the temperature of the contrastive losses changes.
package enum TemperatureRule: String, ConfigurationWord {
    case fixed
    case learned
}

/// What stands below the line of a contrastive loss.
package enum ContrastiveDenominator: String, ConfigurationWord {
    /// The positive and the negatives: InfoNCE.
    case full
    /// The negatives alone: DCL.
    case negatives
}

/// Whose random choice it is which modality a query does without.
package enum ModalityDropping: String, ConfigurationWord {
    case none
    /// One choice for all rows of a step.
    case step
    /// A choice for each row.
    case row
}

/// With what video-text matching confuses a pair.
package enum MatchingNegatives: String, ConfigurationWord {
    /// Similar clips and texts of the lane.
    case hard
    /// Any clip of the lane, in half of the rows.
    case random
}

/// Whose vectors are keys.
package enum KeyMaker: String, ConfigurationWord {
    /// The key encoder's.
    case momentum
    /// The query encoder's own of the same step, without a gradient.
    /// - Source: Wang et al. 2020 (XBM), arXiv:1912.06798.
    case online
}

/// Whose current keys are candidates besides the banks.
package enum CandidateScope: String, ConfigurationWord {
    /// Those of the own lane.
    case lane
    /// Those of all lanes of the step.
    case gather
}

/// Which views have a bank.
package struct BankSelection: Equatable, Sendable, CustomStringConvertible {
    package static let all = BankSelection(views: nil)
    static let rule = "word: all, or a list of views such as text or video, videoText"

    /// Nil for all that are keys.
    let views: [ClipView]?

    private init(views: [ClipView]?) { self.views = views }

    /// Nil if the text is none.
    init?(text: String) {
        guard text != "all" else {
            self = .all
            return
        }
        var views: [ClipView] = []
        for name in text.split(separator: ",", omittingEmptySubsequences: false) {
            let trimmed = name.drop { $0 == " " }
            guard let view = ClipView(name: trimmed), !views.contains(view) else { return nil }
            views.append(view)
        }
        self.views = views.sorted()
    }

    package var description: String {
        views.map { $0.map(\.description).joined(separator: ", ") } ?? "all"
    }
}
