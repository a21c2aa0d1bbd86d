import GXCommand
import GXCore
import GXGraph
import GXImage
import GXNet
import GXTrain

/// All that decides what a run gives, apart from the records on stdin.
struct Settings: Sendable {
  var architecture: Architecture
  /// Before the last layer; nil is the architecture's own.
  var dropout: Double?
  var validation: NamedFile?
  var holdOut = 0.15
  var teachers: NamedFile?
  var teacherShare = 0.5
  var weights: NamedFile?
  var transfer = TransferPlan()
  var plan: TrainingPlan
  var jobs = min(Network.threads, 256)
  var isHalf = false

  /// The architecture's own, changed by what the options say.
  /// - Throws: `UsageError` that names the option.
  init(_ arguments: Arguments) throws {
    if arguments.has("arch") && arguments.has("backbone") { throw UsageError("--arch and --backbone are the same") }
    architecture = try arguments[Self.backbone] ?? arguments[Self.arch] ?? .gxnet
    plan = TrainingPlan(for: architecture, pretrained: arguments.has("weights"))
    for row in Self.table { try row.take(arguments, &self) }
    guard plan.warmup <= Double(plan.epochs) else { throw UsageError("--warmup: is longer than \(plan.epochs) epochs") }
    if transfer.unfreeze == .none && transfer.headEpochs == 0 {
      throw UsageError("--unfreeze none --head-epochs 0: nothing would learn")
    }
    if transfer.unfreeze == .none && !arguments.has("head-views") { transfer.headViews = 8 }
  }

  /// By the names of the options, in the table's order: what model and checkpoint say of how the run was started.
  var record: JSONObject {
    var record: JSONObject = [:]
    for row in Self.table where row.option.needed.map({ record[$0] != nil }) ?? true {
      record[row.option.long] = row.told(self)
    }
    return record
  }

  private static let arch = ValueOption<Architecture>(
    "arch", "a", "NAME", .choice, "\(Architecture.allCases.map(\.rawValue).joined(separator: ", ")) [gxnet]")
  private static let backbone = ValueOption<Architecture>(
    "backbone", nil, "NAME", .choice,
    "the architecture that --weights were trained in; the same as --arch, for what needs weights", needs: "weights")

  /// What is here is an option, goes into the model, and is printed again by gx-model and gx-report. A row stands behind
  /// the one that it needs.
  static let table = [
    Setting(arch, \.architecture),
    Setting(
      "dropout", nil, "RATE", .optional(.number(in: 0...0.99)), \.dropout, "before the last layer [the architecture's]"),
    Setting(
      "val", nil, "FILE", .optional(.file), \.validation, "validate on this stream's records of split val, or of none"),
    Setting(
      "hold-out", nil, "SHARE", .number(in: 0...0.9), \.holdOut,
      "how much to hold out where there is nothing to validate on; 0: train on all, keep the last epoch [0.15]"),
    Setting(
      "distill", nil, "FILE", .optional(.file), \.teachers,
      "learn from teachers, too: rows of gx-infer or --folds, by id; those of one id are averaged (memory: some 40 "
        + "bytes a train record, and 4 a class)"),
    Setting(
      "distill-weight", nil, "W", .number(in: 0...1), \.teacherShare, needs: "distill",
      "the teachers' share of a target, where they know the record [0.5]"),
    Setting(backbone, \.architecture, isTold: false),
    Setting(
      "weights", nil, "FILE", .optional(.file), \.weights,
      "begin with the weights of this safetensors file: a gx model, or with timm's or torchvision's names; the "
        + "defaults below are then the backbones'"),
    Setting(
      "head-epochs", nil, "N", .whole(in: 0...100_000), \.transfer.headEpochs, needs: "weights",
      "with --weights: epochs in which the last layer learns alone, on features that are computed once; 0: none [20]"),
    Setting(
      "head-lr", nil, "RATE", .number(in: 0...1000), \.transfer.headRate, needs: "weights",
      "peak learning rate of these [0.003]"),
    Setting(
      "head-views", nil, "N", .whole(in: 1...8), \.transfer.headViews, needs: "weights",
      "flips and quarter turns of each picture in these, 1 to 8 [1; with --unfreeze none 8]"),
    Setting(
      "unfreeze", nil, "N|all|none", .unfreeze, \.transfer.unfreeze, needs: "weights",
      "what learns then: the last N blocks, all or nothing [all]"),
    Setting(
      "layer-decay", nil, "F", .number(in: 0...1), \.transfer.layerDecay, needs: "weights",
      "the learning rate's factor from each block to the one before it [1]"),
    Setting(
      "epochs", "e", "N", .whole(in: 1...100_000), \.plan.epochs,
      "times over all train records [gxnet 60, seed 50, linear 30, backbones 12]"),
    Setting("batch", nil, "N", .whole(in: 1...4096), \.plan.batch, "pictures a step [32]"),
    Setting(
      "augment", nil, "SPEC", .augmentation, \.plan.augmentation,
      "random changes, fresh each epoch: see gx-augment; may end in crop=N, which becomes the net's input; or none "
        + "[\(TrainingPlan.standardAugmentation); linear none]"),
    Setting(Option.seed, \.plan.seed),
    Setting(
      "lr", nil, "RATE", .number(in: 0...1000), \.plan.learningRate,
      "peak learning rate [0.003, seed 0.001, backbones 0.002]"),
    Setting(
      "optimizer", nil, "NAME", .named(UpdateRule.names), \.plan.optimizer, "sgd, adam or adamw [adamw, seed adam]"),
    Setting("momentum", nil, "M", .optional(.number(in: 0...0.9999)), \.plan.momentum, "of sgd [0.9]"),
    Setting("nesterov", nil, nil, .flag, \.plan.isNesterov, "sgd looks ahead"),
    Setting(
      "schedule", nil, "NAME", .named(Schedule.names), \.plan.scheduleName,
      "\(Schedule.names.joined(separator: ", ")) [one-cycle, seed plateau]"),
    Setting(
      "warmup", nil, "EPOCHS", .number(in: 0...100_000), \.plan.warmup,
      "let the rate rise before the schedule begins [0]"),
    Setting(
      "weight-decay", nil, "D", .number(in: 0...10), \.plan.weightDecay,
      "of all but biases and batch normalisation [0.05, seed 0]"),
    Setting(
      "clip", nil, "NORM", .optional(.number(in: 1e-6...1e6)), \.plan.clip,
      "scale longer gradients down to this norm [no limit]"),
    Setting(
      "ema", nil, "DECAY", .zeroForNone(.number(in: 0...0.999999)), \.plan.average,
      "keep the weights' exponential moving average instead; 0: not [gxnet 0.995, backbones 0.99]"),
    Setting(
      "label-smoothing", nil, "SHARE", .number(in: 0...0.9), \.plan.labelSmoothing,
      "of each target, spread over all classes [0.1, seed 0]"),
    Setting(
      "mixup", nil, "ALPHA", .number(in: 0...100), \.plan.mixup,
      "blend pairs of pictures, by Beta(ALPHA, ALPHA) [0: not]"),
    Setting(
      "sam", nil, "RADIUS", .zeroForNone(.number(in: 0...100)), \.plan.sharpness,
      "sharpness-aware minimisation: step by the gradient from where, within RADIUS (0.05, say), the loss is worst; "
        + "takes twice as long; 0: not [0]"),
    Setting(
      "finer", nil, "FIELD", .optional(.text), \.plan.finer,
      "learn the finer classes in this field of the train records, each of which is part of one label; the model "
        + "tells the labels, each with the sum of its parts' probabilities"),
    Setting(
      "class-weights", "w", "W", .classWeights, \.plan.classWeights, "none, balanced, or A=1,B=2 [none]"),
    Setting(
      "best", nil, "SCORE", .choice, \.plan.criterion,
      "val_loss, val_accuracy or val_macro_f1 [val_macro_f1, seed val_loss]"),
    Setting(
      "patience", nil, "N", .zeroForNone(.whole(in: 0...100_000)), \.plan.patience,
      "stop after N epochs without a better one; 0: never [0, seed 7]"),
    Setting(
      "compute", nil, "TYPE", .choice, \.plan.precision, formerly: "precision",
      "compute in f32 or bf16, if the processor can: faster, less exact [f32]"),
    Setting("half", nil, nil, .flag, \.isHalf, "write weights as f16"),
    Setting(
      Option.jobs.saying("threads; another number changes the last bits [all cores]", formerly: "threads"), \.jobs),
  ]
}

extension TrainingPlan {
  fileprivate var optimizer: String {
    get { rule.name }
    set { rule = UpdateRule(named: newValue) ?? rule }
  }

  /// nil where the optimizer has none.
  fileprivate var momentum: Double? {
    get { if case .sgd(let momentum, _) = rule { momentum } else { nil } }
    set { if case .sgd(_, let nesterov) = rule, let newValue { rule = .sgd(momentum: newValue, nesterov: nesterov) } }
  }

  fileprivate var isNesterov: Bool {
    get { if case .sgd(_, let nesterov) = rule { nesterov } else { false } }
    set { if case .sgd(let momentum, _) = rule { rule = .sgd(momentum: momentum, nesterov: newValue) } }
  }

  fileprivate var scheduleName: String {
    get { schedule.name }
    set { schedule = Schedule(named: newValue, epochs: epochs) ?? schedule }
  }
}
