// SPDX-License-Identifier: Apache-2.0
import Models
import NeuralNetworks
import Objectives
import Optimizers
import Tensors

/// Everything that decides the result of a run, in one validated value.
///
/// The coordinator reads it from a file and sends it to the workers, so nobody trains with another.
/// The fields, their defaults and rules stand in `ConfigurationField.all`.
package struct RunConfiguration: Sendable, Equatable {
    package struct Data: Sendable, Equatable {
        /// Folder with annotations/ and videos/.
        package var directory = ""
        package var trainingSplit = "unlabeled"
        package var heldOutSplit = "test"
        /// WordPiece vocabulary, relative to the folder.
        package var vocabulary = "vocab.txt"
        package var frameCount = 4
        package var frameSize = 64
        package var tokenCountMax = 48
    }

    package struct Lanes: Sendable, Equatable {
        package var count = 8
        package var microbatchSize = 8
        /// 0: as many as fit.
        package var resolutionBits = 0
        package var recomputation = Recomputation.none
    }

    package struct Objectives: Sendable, Equatable {
        package var maskedLanguageWeight: Float = 1
        package var maskProbability: Float = 0.15
        package var alignmentWeight: Float = 1
        package var alignmentTerms = AlignmentPlan.textVideo
        package var temperature: Float = 0.07
        package var temperatureRule = TemperatureRule.fixed
        package var temperatureMin: Float = 0.001
        package var temperatureMax: Float = 0.5
        package var denominator = ContrastiveDenominator.full
        package var distillation: Float = 0
        package var distillationRampSteps = 0
        package var modalityDropping = ModalityDropping.none
        package var textDropProbability: Float = 0
        package var videoDropProbability: Float = 0
        package var queryDropProbability: Float = 0
        package var matchingWeight: Float = 0
        package var matchingNegatives = MatchingNegatives.hard
    }

    package struct Bank: Sendable, Equatable {
        package var capacity = 256
        package var views = BankSelection.all
        package var keys = KeyMaker.momentum
        package var encoderMomentum: Float = 0.99
        package var warmUpSteps = 100
        package var candidates = CandidateScope.lane
        package var laterCapacity = 0
        /// 0: never.
        package var laterStep = 0
    }

    package struct Optimizer: Sendable, Equatable {
        package var learningRate: Float = 0.001
        package var weightDecay: Float = 0.01
        package var beta1: Float = 0.9
        package var beta2: Float = 0.999
        package var epsilon: Float = 1e-8
        package var warmUpSteps = 20
        package var gradientNormMax: Float = 1
    }

    package struct Checkpoint: Sendable, Equatable {
        package var everySteps = 50
        package var keepCount = 3
    }

    package struct Cluster: Sendable, Equatable {
        package var stateHashEverySteps = 10
    }

    package var seed = 2022
    package var epochCount = 10
    package var precision = Precision.f32
    package var data = Data()
    package var lanes = Lanes()
    package var model = SingleStreamModel.Configuration()
    package var objectives = Objectives()
    package var memoryBank = Bank()
    package var optimizer = Optimizer()
    package var checkpoint = Checkpoint()
    package var cluster = Cluster()

    package init() {}
}
