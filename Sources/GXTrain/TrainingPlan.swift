import GXCore
import GXGraph
import GXImage
import GXNet

/// Everything that decides what a training run does, apart from the graph and the data.
public struct TrainingPlan: Sendable {
  public var epochs: Int
  /// Pictures a step.
  public var batch: Int
  public var seed: UInt64 = 0
  public var rule: UpdateRule
  /// The schedule's peak.
  public var learningRate: Double
  public var schedule: Schedule
  /// Epochs in which the rate rises from 0, before the schedule begins.
  public var warmup = 0.0
  public var weightDecay = 0.0
  /// The largest norm of the gradients; nil: no limit.
  public var clip: Double?
  /// The decay of the average that is validated and kept instead of the weights themselves; nil: none.
  public var average: Double?
  public var labelSmoothing = 0.0
  public var mixup = 0.0
  /// The radius of sharpness-aware minimisation (see `Sharpness`), which takes twice as long; nil: none.
  public var sharpness: Double?
  public var classWeights = ClassWeights.none
  /// The field of records that holds finer classes, which are learnt in the labels' place and merged into them.
  public var finer: String?
  public var augmentation: Augmentation?
  /// Without, all pictures are trained on, and the last epoch's weights are kept.
  public var validates = true
  /// What the best epoch is best in.
  public var criterion = Criterion.valLoss
  /// Ends the run after as many epochs without a better one; nil: never.
  public var patience: Int?
  /// Of the pictures between the layers, in training alone; validation and inference are in f32.
  public var precision = Precision.f32
  /// For `Schedule.plateau`.
  public var plateau = Plateau()

  /// A galaxy has no up or down, and its class hangs neither on its size in the frame nor on the exposure.
  public static let standardAugmentation =
    "rotate=180,flip=hv,zoom=0.85:1.15,shift=0.04,brightness=0.05,contrast=0.1,fill=reflect"

  /// What an architecture is trained with where the user says nothing else.
  /// - Parameter pretrained: Whether it begins with weights that were trained before.
  public init(for architecture: Architecture, pretrained: Bool = false) {
    switch architecture {
    case .seed where !pretrained:  // as the original project did
      (epochs, batch) = (50, 32)
      (rule, learningRate, schedule, patience) = (UpdateRule(named: "adam")!, 1e-3, .plateau, 7)
    case .gxnet where !pretrained:
      (epochs, batch) = (60, 32)
      (rule, learningRate, schedule) = (UpdateRule(named: "adamw")!, 3e-3, Schedule(named: "one-cycle", epochs: 60)!)
      (weightDecay, average, labelSmoothing) = (0.05, 0.995, 0.1)
      criterion = .valMacroF1
    case .linear:
      (epochs, batch) = (30, 32)
      (rule, learningRate, schedule) = (UpdateRule(named: "adamw")!, 3e-3, Schedule(named: "one-cycle", epochs: 30)!)
      (weightDecay, labelSmoothing) = (0.05, 0.1)
      criterion = .valMacroF1
    default:  // the backbones, from weights that have seen other pictures
      (epochs, batch) = (12, 32)
      (rule, learningRate, schedule) = (UpdateRule(named: "adamw")!, 2e-3, Schedule(named: "one-cycle", epochs: 12)!)
      (weightDecay, average, labelSmoothing) = (0.05, 0.99, 0.1)
      criterion = .valMacroF1
    }
    // Features have no places that could be moved about.
    augmentation = architecture == .linear ? nil : try! Augmentation(spec: Self.standardAugmentation)
  }
}

/// The score by which the best epoch is chosen.
public enum Criterion: String, CaseIterable, Sendable {
  case valLoss = "val_loss"
  case valAccuracy = "val_accuracy"
  case valMacroF1 = "val_macro_f1"

  func value(_ scores: ValidationScores) -> Double {
    switch self {
    case .valLoss: scores.loss
    case .valAccuracy: scores.accuracy
    case .valMacroF1: scores.macroF1
    }
  }

  func isBetter(_ value: Double, than best: Double?) -> Bool {
    guard let best else { return true }
    return self == .valLoss ? value < best : value > best
  }
}

/// How much the pictures of each class count in the loss.
public enum ClassWeights: Equatable, Sendable {
  case none
  /// The same for each class in sum: count of all / (classes * count of the class), as scikit-learn's.
  case balanced
  /// 1 for those not named.
  case given([String: Float])

  /// `none`, `balanced`, or `A=1,B=2`.
  public init(_ text: String) throws(GXError) {
    switch text {
    case "none": self = .none
    case "balanced": self = .balanced
    default:
      var weights: [String: Float] = [:]
      for part in text.split(separator: ",", omittingEmptySubsequences: false) {
        guard let equals = part.lastIndex(of: "="), let weight = Float(part[part.index(after: equals)...]),
          weight.isFinite, weight >= 0
        else { throw GXError("class weight '\(part)' is no CLASS=WEIGHT") }
        let name = String(part[..<equals])
        guard weights.updateValue(weight, forKey: name) == nil else { throw GXError("class '\(name)' is there twice") }
      }
      self = .given(weights)
    }
  }

  /// What `init` reads.
  public var text: String {
    switch self {
    case .none: "none"
    case .balanced: "balanced"
    case .given(let weights):
      weights.sorted { $0.key < $1.key }.map { "\($0.key)=\(JSON.float($0.value).text)" }.joined(separator: ",")
    }
  }

  /// `[classes]`, or nil where all count the same.
  /// - Throws: where a named class is not in the data.
  func values(classes: [String], samples: [Dataset.Sample]) throws(GXError) -> [Float]? {
    switch self {
    case .none: return nil
    case .balanced:
      var counts = [Int](repeating: 0, count: classes.count)
      for sample in samples { counts[Int(sample.label)] += 1 }
      return counts.map { Float(samples.count) / Float(classes.count * max($0, 1)) }
    case .given(let weights):
      if let stranger = weights.keys.sorted().first(where: { !classes.contains(name: $0) }) {
        throw GXError("class '\(stranger)' has a weight, but is not in the data (\(classes.joined(separator: ", ")))")
      }
      return classes.map { weights[$0] ?? 1 }
    }
  }
}

/// How well the validation pictures are predicted.
public struct ValidationScores: Equatable, Sendable, CustomStringConvertible {
  /// Mean cross-entropy in nats, against the true labels alone.
  public let loss: Double
  public let accuracy: Double
  public let macroF1: Double

  /// As models, checkpoints and logs name them.
  var json: JSONObject {
    ["val_loss": .double(loss), "val_accuracy": .double(accuracy), "val_macro_f1": .double(macroF1)]
  }

  public var description: String {
    func rounded(_ value: Double) -> String { "\((value * 1000).rounded() / 1000)" }
    return "val_loss \(rounded(loss)), val_accuracy \(rounded(accuracy)), val_macro_f1 \(rounded(macroF1))"
  }
}
