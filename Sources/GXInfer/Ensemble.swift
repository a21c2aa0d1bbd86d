import GXCore
import GXImage
import GXMetrics
import GXModel
import GXNet
import GXStream

/// One model or several, each classifying by one view or several, whose probabilities are averaged (Lakshminarayanan et
/// al. 2017); and the calibration of the average. Safe to use from many threads.
///
/// The order that models are given in is no matter: classes stand in the order that all models have them in, or else in
/// that of their names' bytes, and sums are taken in the order of the numbers. A model given several times is as good as
/// once, but for rounding.
public final class Ensemble: Sendable {
  /// Where the calibration comes from.
  public enum CalibrationSource: Sendable {
    /// The model, if it is one; models of an ensemble were calibrated for themselves, so their average is not.
    case model
    case none
    case given(Calibration)

    /// As an option says it: a file, or `none`; nil is the model's.
    /// - Throws: `GXError` that names the file, and the field at fault.
    public init(option: String?) throws {
      switch option {
      case nil: self = .model
      case "none": self = .none
      case let path?: self = .given(try Calibration(path: path))
      }
    }
  }

  private struct Member: Sendable {
    let classifier: Classifier
    /// For each class of the ensemble, its place in this model's list.
    let places: [Int]

    /// This model's logits in the ensemble's order.
    func inOrder(_ logits: [Float]) -> [Float] { places.map { logits[$0] } }
  }

  public let classes: [String]
  /// What is in use; nil where nothing is.
  public let calibration: Calibration?
  private let members: [Member]

  /// - Parameters:
  ///   - assumed: What to believe of records that do not say how they were prepared.
  ///   - views: What each picture is classified by; nil is as each model says.
  ///   - isProfiled: Whether to measure where the networks' time goes.
  /// - Throws: `GXError` where a model does not work or has other classes than the first, or the calibration was made
  ///   for something else.
  public convenience init(
    _ models: [Model], assuming assumed: Provenance.Assumption? = nil, views: Views? = nil,
    calibration: CalibrationSource = .model, isProfiled: Bool = false
  ) throws {
    try self.init(
      models, assuming: assumed, views: views, calibration: calibration, isProfiled: isProfiled, watching: nil)
  }

  /// - Parameter node: One of the first model whose value and gradient are wanted, for an explanation.
  init(
    _ models: [Model], assuming assumed: Provenance.Assumption?, views: Views?, calibration: CalibrationSource,
    isProfiled: Bool, watching node: String?
  ) throws {
    guard let first = models.first else { throw GXError("no model") }
    let isOneOrder = models.allSatisfy { $0.classes.elementsEqual(first.classes) { $0.hasSameBytes(as: $1) } }
    let order = isOneOrder ? nil : bytewiseOrder(first.classes)
    let classes = order.map { $0.map { first.classes[$0] } } ?? first.classes
    self.classes = classes
    members = try models.enumerated().map { i, model in
      let places = classes.compactMap(model.classes.firstIndex(ofName:))
      guard places.count == classes.count, model.classes.count == classes.count else {
        throw GXError(
          "models of an ensemble must have the same classes: \(first.classes.joined(separator: ", ")); "
            + model.classes.joined(separator: ", "))
      }
      do {
        let classifier = try Classifier(
          model, assuming: assumed, views: views, isProfiled: isProfiled, watching: i == 0 ? node : nil)
        return Member(classifier: classifier, places: places)
      } catch {
        throw models.count == 1 ? error : GXError("model \(i + 1) of \(models.count): \(error)")
      }
    }
    switch calibration {
    case .none: self.calibration = nil
    case .model:
      self.calibration = models.count == 1 ? try first.calibration?.ordered(by: classes) : nil
      if let fitted = self.calibration?.classifier?.members.first?.views, fitted != members[0].classifier.views {
        throw GXError(
          "the model is calibrated for --tta \(fitted.rawValue), not \(members[0].classifier.views.rawValue); "
            + "--calibration none does without")
      }
    case .given(let calibration):
      self.calibration = try calibration.ordered(by: classes)
      if let fitted = calibration.classifier, fitted != name {
        throw GXError("the calibration was made for the classifier \(fitted.text), not \(name.text)")
      }
    }
  }

  /// What it is made of. Takes as long as reading all weights once.
  public var name: ClassifierName {
    ClassifierName(members.map { .init($0.classifier.model, $0.classifier.views) })
  }

  /// Where the time of all networks together went, as a table for people, a model after the other; nil where it was not
  /// measured.
  public var profileTable: String? {
    let tables = members.compactMap(\.classifier.profileTable)
    return tables.isEmpty ? nil : tables.joined(separator: "\n")
  }

  /// The steps that each model still wants of `record`.
  /// - Throws: `GXError` where it was prepared otherwise than a model wants, or does not say how.
  public func steps(for record: Record) throws(GXError) -> [[any PixelStep]] {
    var all: [[any PixelStep]] = []
    for member in members { all.append(try member.classifier.steps(for: record)) }
    return all
  }

  /// Classifies a picture, to which each model first applies its `steps`.
  /// - Throws: `GXError` where a step fails, its outcome is not what a network takes, or numbers are not finite.
  public func classify(_ picture: Tensor, after steps: [[any PixelStep]]) throws -> Prediction {
    try run(picture, after: steps) { prediction, _ in prediction }
  }

  /// The same; `read` gets the network of the first model too, which the picture as it is was the last to pass through.
  func run<R>(
    _ picture: Tensor, after steps: [[any PixelStep]], _ read: (Prediction, Network) throws -> R
  ) throws -> R {
    let first = members[0]
    let others = try zip(members, steps).dropFirst().map { member, steps in
      member.inOrder(try member.classifier.classify(picture, after: steps).logits)
    }
    return try first.classifier.run(picture, after: steps[0]) { views, network in
      let views = views.map(first.inOrder)
      let logits = others.isEmpty ? views : [try Prediction(classes: classes, members: views).logits] + others
      return try read(Prediction(classes: classes, members: logits, calibration: calibration), network)
    }
  }

  /// The first model at work.
  var first: Classifier { members[0].classifier }

  /// A class' place in the first model's list.
  func firstPlace(of place: Int) -> Int { members[0].places[place] }
}

extension Ensemble {
  /// The record as a row of predictions: its fields without `ops`, then what `Prediction.write` adds. Failed records
  /// have their fields alone.
  ///
  /// What is wrong with the picture becomes the row's `error`.
  /// - Parameter name: the classifier's, where `logits` are wanted.
  /// - Throws: `GXError` where the record was prepared otherwise than a model wants, or does not say how.
  public func row(of record: Record, logitsOf name: String? = nil) throws -> Row {
    var row = record.meta
    row.ops = nil
    guard record.error == nil else { return row }
    let steps = try steps(for: record)
    do {
      guard let picture = record.tensor else { throw GXError("has no pixels") }
      try classify(picture, after: steps).write(to: &row, logitsOf: name)
    } catch {
      row.error = "\(error)"
    }
    return row
  }
}
