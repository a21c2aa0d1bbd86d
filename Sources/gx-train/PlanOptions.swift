import GXCommand
import GXCore
import GXGraph
import GXImage
import GXNet
import GXTrain

/// The plan as options of a command.
extension TrainingPlan {
  /// The rows of the option table.
  public static let options = [
    Option("epochs", "e", "N", "times over all train records [gxnet 60, seed 50, linear 30, backbones 12]"),
    Option("batch", "b", "N", "pictures a step [32]"),
    Option(
      "augment", nil, "SPEC",
      "random changes, fresh each epoch: see gx-augment; may end in crop=N, which "
        + "becomes the net's input; or none [\(TrainingPlan.standardAugmentation); linear none]"),
    .seed,
    Option("lr", nil, "RATE", "peak learning rate [0.003, seed 0.001, backbones 0.002]"),
    Option("optimizer", nil, "NAME", "sgd, adam or adamw [adamw, seed adam]"),
    Option("momentum", nil, "M", "of sgd [0.9]"),
    Option("nesterov", nil, nil, "sgd looks ahead"),
    Option("schedule", nil, "NAME", "\(Schedule.names.joined(separator: ", ")) [one-cycle, seed plateau]"),
    Option("warmup", nil, "EPOCHS", "let the rate rise before the schedule begins [0]"),
    Option("weight-decay", nil, "D", "of all but biases and batch normalisation [0.05, seed 0]"),
    Option("clip", nil, "NORM", "scale longer gradients down to this norm [no limit]"),
    Option(
      "ema", nil, "DECAY", "keep the weights' exponential moving average instead; 0: not [gxnet 0.995, backbones 0.99]"),
    Option("dropout", nil, "RATE", "before the last layer [the architecture's]"),
    Option("label-smoothing", nil, "SHARE", "of each target, spread over all classes [0.1, seed 0]"),
    Option("mixup", nil, "ALPHA", "blend pairs of pictures, by Beta(ALPHA, ALPHA) [0: not]"),
    Option(
      "sam", nil, "RADIUS",
      "sharpness-aware minimisation: step by the gradient from where, within RADIUS (0.05, say), the loss is worst; "
        + "takes twice as long; 0: not [0]"),
    Option(
      "finer", nil, "FIELD",
      "learn the finer classes in this field of the train records, each of which is part of one label; the model "
        + "tells the labels, each with the sum of its parts' probabilities"),
    Option("class-weights", "w", "W", "none, balanced, or A=1,B=2 [none]"),
    Option("best", nil, "SCORE", "val_loss, val_accuracy or val_macro_f1 [val_macro_f1, seed val_loss]"),
    Option("patience", nil, "N", "stop after N epochs without a better one; 0: never [0, seed 7]"),
    Option("precision", nil, "TYPE", "compute in f32 or bf16, if the processor can: faster, less exact [f32]"),
  ]

  /// The architecture's plan, changed by what the options say.
  /// - Parameter pretrained: Whether it begins with weights that were trained before.
  /// - Throws: `UsageError` that names the option.
  public init(_ arguments: Arguments, for architecture: Architecture, pretrained: Bool = false) throws {
    self.init(for: architecture, pretrained: pretrained)
    seed = try arguments.seed()
    epochs = try arguments.int("epochs", in: 1...100_000) ?? epochs
    batch = try arguments.int("batch", in: 1...4096) ?? batch
    learningRate = try arguments.double("lr", in: 0...1000) ?? learningRate
    let momentum = try arguments.double("momentum", in: 0...0.9999) ?? 0.9
    rule = try arguments.named("optimizer", UpdateRule.names, rule) {
      UpdateRule(named: $0, momentum: momentum, nesterov: arguments.has("nesterov"))
    }
    schedule = try arguments.named("schedule", Schedule.names, schedule) {
      Schedule(named: $0, epochs: epochs)
    }
    warmup = try arguments.double("warmup", in: 0...Double(epochs)) ?? 0
    weightDecay = try arguments.double("weight-decay", in: 0...10) ?? weightDecay
    clip = try arguments.double("clip", in: 1e-6...1e6) ?? clip
    average = try arguments.double("ema", in: 0...0.999999) ?? average
    labelSmoothing = try arguments.double("label-smoothing", in: 0...0.9) ?? labelSmoothing
    mixup = try arguments.double("mixup", in: 0...100) ?? mixup
    if let radius = try arguments.double("sam", in: 0...100) { sharpness = radius > 0 ? radius : nil }
    finer = arguments.string("finer")
    criterion = try arguments.choice("best", Criterion.self) ?? criterion
    precision = try arguments.choice("precision", Precision.self) ?? precision
    if let count = try arguments.int("patience", in: 0...100_000) { patience = count == 0 ? nil : count }
    do {
      if let weights = arguments.string("class-weights") { classWeights = try ClassWeights(weights) }
      if let spec = arguments.string("augment") {
        augmentation = spec == "none" ? nil : try Augmentation(spec: spec)
      }
    } catch let error as GXError {
      throw UsageError(error.message)
    }
  }
}

/// Transfer learning as options of a command.
extension TransferPlan {
  /// The rows of the option table.
  public static let options = [
    Option(
      "backbone", nil, "NAME",
      "the architecture that --weights were trained in; the same as --arch, for what needs weights"),
    Option(
      "weights", nil, "FILE",
      "begin with the weights of this safetensors file: a gx model, or with timm's or torchvision's names; the defaults below are then the backbones'"
    ),
    Option(
      "head-epochs", nil, "N",
      "with --weights: epochs in which the last layer learns alone, on features that "
        + "are computed once; 0: none [20]"),
    Option("head-lr", nil, "RATE", "peak learning rate of these [0.003]"),
    Option(
      "head-views", nil, "N", "flips and quarter turns of each picture in these, 1 to 8 [1; with --unfreeze none 8]"),
    Option("unfreeze", nil, "N|all|none", "what learns then: the last N blocks, all or nothing [all]"),
    Option("layer-decay", nil, "F", "the learning rate's factor from each block to the one before it [1]"),
  ]

  /// What the options say; nil where there are no `--weights`.
  /// - Throws: `UsageError` that names the option.
  public init?(_ arguments: Arguments) throws {
    guard arguments.has("weights") else {
      if let option = Self.options.map(\.long).first(where: arguments.has) {
        throw UsageError("--\(option) needs --weights FILE")
      }
      return nil
    }
    self.init()
    headEpochs = try arguments.int("head-epochs", in: 0...100_000) ?? headEpochs
    headRate = try arguments.double("head-lr", in: 0...1000) ?? headRate
    if let text = arguments.string("unfreeze") {
      guard let value = Unfreeze(text) else {
        throw UsageError("--unfreeze: '\(text)' is no number of blocks, all or none")
      }
      unfreeze = value
    }
    headViews = try arguments.int("head-views", in: 1...8) ?? (unfreeze == .none ? 8 : 1)
    layerDecay = try arguments.double("layer-decay", in: 0...1) ?? layerDecay
    if unfreeze == .none && headEpochs == 0 { throw UsageError("--unfreeze none --head-epochs 0: nothing would learn") }
  }
}

extension Arguments {
  /// One of a set of names, turned into a value.
  func named<T>(_ option: String, _ names: [String], _ fallback: T, _ make: (String) -> T?) throws -> T {
    guard let name = string(option) else { return fallback }
    guard let value = make(name) else {
      throw UsageError("--\(option): '\(name)' is none of \(names.joined(separator: ", "))")
    }
    return value
  }
}
