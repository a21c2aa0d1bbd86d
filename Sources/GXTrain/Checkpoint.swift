import GXCore
import GXModel
import GXStream
import Glibc

// A checkpoint is a safetensors file with all that a run stands on: the weights, the optimiser's
// moments, the average, the best weights, and as JSON where the run is and what it was started with.

extension Trainer {
  private static let checkpointVersion = 2
  private static let checkpointKey = "gx-checkpoint"

  /// The run as it stands between two steps.
  public func checkpoint() throws -> Safetensors {
    var fields: JSONObject = [
      "version": .int(Self.checkpointVersion), "arguments": .object(settings), "data": .string(dataDigest),
      "graph": graph.json, "epoch": .int(epoch), "step": .int(step), "optimizer_steps": .int(optimizer.steps),
      "tally_loss": .double(tally.loss), "tally_weight": .double(tally.weight), "tally_right": .int(tally.right),
      "tally_count": .int(tally.count),
      "tally_seconds": .double(tally.seconds), "plateau_scale": .double(plateau.scale),
      "plateau_waited": .int(plateau.waited), "origin": .object(origin),
    ]
    if let best {
      fields["best_epoch"] = .int(best.epoch)
      fields["best_loss"] = best.scores.map { .double($0.loss) }
      fields["best_accuracy"] = best.scores.map { .double($0.accuracy) }
      fields["best_macro_f1"] = best.scores.map { .double($0.macroF1) }
    }
    let weights = try network.weights()
    let groups = try [
      ("weights", weights), ("optimizer", optimizer.state),
      ("average", average?.weights(in: weights) ?? []), ("best", best?.weights ?? []),
    ]
    return Safetensors(
      tensors: groups.flatMap { group, tensors in tensors.map { ("\(group)/\($0.name)", $0.tensor) } },
      metadata: [(Self.checkpointKey, JSON.object(fields).text)])
  }

  /// Goes on where `file` was written.
  /// - Throws: `GXError` where it belongs to another run, saying what differs, or is no whole checkpoint.
  public func restore(_ file: Safetensors) throws {
    guard let text = file.metadata(Self.checkpointKey), let fields = try JSON(parsing: text).objectValue else {
      throw GXError("is no checkpoint of gx-train")
    }
    let version = fields["version"]?.intValue ?? 0
    guard version == Self.checkpointVersion else {
      throw GXError(
        "was written by another gx (checkpoint version \(version), and this one reads \(Self.checkpointVersion)): "
          + "go on with that one, or begin anew without --resume")
    }
    let before = fields["arguments"]?.objectValue ?? [:]
    for name in settings.map(\.key) + before.map(\.key) where before[name] != settings[name] {
      func said(_ value: JSON?) -> String {
        value.map { "with " + commandWords(name, $0).joined(separator: " ") } ?? "without --\(name)"
      }
      throw GXError("was started \(said(before[name])), not \(said(settings[name]))")
    }
    guard fields["data"]?.stringValue == dataDigest else { throw GXError("was started on other records") }
    guard fields["graph"] == graph.json else {
      throw GXError("was started with another network: this gx makes another one of the same options")
    }

    var numbers = try JSONFields(fields, "checkpoint")
    func double(_ name: String) throws(GXError) -> Double { try numbers.required(name, .number) }
    func int(_ name: String) throws(GXError) -> Int { try numbers.required(name, .count) }
    let tensors = Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, $0.tensor) })
    func tensor(_ name: String) throws -> Tensor {
      guard let tensor = tensors[name] else { throw GXError("checkpoint: tensor '\(name)' is missing") }
      do { try tensor.checkFinite() } catch { throw error.at("checkpoint: tensor '\(name)'") }
      return tensor
    }
    func weights(_ group: String) throws -> [(name: String, tensor: Tensor)] {
      try network.weights().map { ($0.name, try tensor("\(group)/\($0.name)")) }
    }

    try network.load(Dictionary(uniqueKeysWithValues: weights("weights")))
    try optimizer.restore(steps: int("optimizer_steps")) { try tensor("optimizer/" + $0) }
    try average?.restore { try tensor("average/" + $0) }
    origin = fields["origin"]?.objectValue ?? [:]
    (epoch, step) = (try int("epoch"), try int("step"))
    tally = EpochTally(
      loss: try double("tally_loss"), weight: try double("tally_weight"), right: try int("tally_right"),
      count: try int("tally_count"),
      seconds: try double("tally_seconds"))
    (plateau.scale, plateau.waited) = (try double("plateau_scale"), try int("plateau_waited"))
    if fields["best_epoch"] != nil {
      let scores =
        !plan.validates
        ? nil
        : ValidationScores(
          loss: try double("best_loss"), accuracy: try double("best_accuracy"), macroF1: try double("best_macro_f1"))
      best = Best(epoch: try int("best_epoch"), scores: scores, weights: try weights("best"))
    }
  }
}

/// When and where a run's checkpoints are written.
public final class Checkpoints {
  public enum Interval: Equatable, Sendable {
    case epochs(Int)
    case seconds(Double)

    /// `N` epochs or `Ns` seconds.
    public init?(_ text: String) {
      if text.hasSuffix("s"), let seconds = Double(text.dropLast()), seconds >= 0 {
        self = .seconds(seconds)
      } else if let epochs = Int(text), epochs >= 1 {
        self = .epochs(epochs)
      } else {
        return nil
      }
    }
  }

  private let trainer: Trainer
  private let path: String?
  private let interval: Interval
  private var last = now()

  /// - Parameter path: nil writes none.
  public init(of trainer: Trainer, path: String?, every interval: Interval) {
    self.trainer = trainer
    self.path = path
    self.interval = interval
  }

  /// Writes the run as it stands now.
  public func write() throws {
    guard let path else { return }
    try trainer.checkpoint().write(path: path)
    last = now()
  }

  /// Writes if the interval of seconds is over.
  public func afterStep() throws {
    if case .seconds(let seconds) = interval, now() - last >= seconds { try write() }
  }

  /// Writes if the interval of epochs is over, or the run.
  public func afterEpoch() throws {
    if case .epochs(let epochs) = interval, trainer.epoch % epochs == 0 || trainer.isFinished { try write() }
  }

  /// Whether there is a file to go on from.
  public static func exist(_ path: String?) -> Bool { path.map { access($0, F_OK) == 0 } ?? false }

  /// Takes up the run where the file left it. Returns false if there is no file.
  public func resume() throws -> Bool {
    guard let path, Self.exist(path) else { return false }
    let file = try Safetensors(path: path)
    do { try trainer.restore(file) } catch let error as GXError { throw error.at(path) }
    return true
  }
}
