import GXCore
import GXImage
import GXMetrics
import GXModel
import GXNet
import GXStream
import Glibc

/// One model or several, each classifying by one view or several, whose probabilities are averaged (Lakshminarayanan et
/// al. 2017); and the calibration of the average. Safe to use from many threads.
///
/// The order that models are given in is no matter: classes stand in the order that all models have them in, or else in
/// that of their names' bytes, and sums are taken in the order of the numbers. A model given several times is as good as
/// once, but for rounding.
public final class Ensemble: Sendable {
  /// What was found out about a picture. Arrays are in the order of `classes`.
  public struct Result: Sendable {
    /// Before calibration: the network's, or of several models or views the logarithm of their mean probabilities.
    public let logits: [Float]
    /// After calibration: 1 in sum.
    public let probabilities: [Float]
    /// The places of all classes, the likeliest first; equals in the order of `classes`.
    public let ranking: [Int]
    /// Of several models, or of the several views of one.
    public let disagreement: Disagreement?
    /// The classes of the conformal set, the likeliest first; nil where the calibration has none.
    public let set: [Int]?
    /// Whether the confidence is below what the calibration asks for a prediction; nil where it asks nothing.
    public let isUncertain: Bool?

    /// The likeliest class.
    public var prediction: Int { ranking[0] }
    /// Its probability.
    public var confidence: Float { probabilities[ranking[0]] }
  }

  /// How little several models, or one of several views, know of a picture, before calibration, in nats.
  public struct Disagreement: Sendable {
    /// Of their mean probabilities, in 0...ln(classes): the whole uncertainty.
    public let entropy: Double
    /// The part of it that comes of their saying different things: the entropy of the mean less the mean of the
    /// entropies (Houlsby et al. 2011), in 0...entropy.
    public let mutualInformation: Double
  }

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
  public init(
    _ models: [Model], assuming assumed: Provenance.Assumption? = nil, views: Views? = nil,
    calibration: CalibrationSource = .model, isProfiled: Bool = false
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
        return Member(
          classifier: try Classifier(model, assuming: assumed, views: views, isProfiled: isProfiled), places: places)
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
  /// - Throws: `GXError` where a step fails, or its outcome is not what a network takes.
  public func classify(_ picture: Tensor, after steps: [[any PixelStep]]) throws -> Result {
    let results = try zip(members, steps).map { member, steps in
      let result = try member.classifier.classify(picture, after: steps)
      return ([result.logits] + result.views).map { logits in member.places.map { logits[$0] } }
    }
    return result(results.count == 1 ? Array(results[0].dropFirst()) : results.map { $0[0] })
  }

  /// - Parameter logits: `[models][classes]`, or of one model `[views][classes]`.
  func result(_ logits: [[Float]]) -> Result {
    let mean = logits.count == 1 ? logits[0] : logMeanProbabilities(logits)
    let scaled = (calibration?.scaling ?? .none).scaled(mean.map(Double.init))
    let probabilities = softmax(scaled)
    let ranking = scaled.indices.sorted { (scaled[$1], $0) < (scaled[$0], $1) }
    let inSet = calibration?.conformal.map { Set($0.set(probabilities)) }
    return Result(
      logits: mean, probabilities: probabilities.map(Float.init), ranking: ranking,
      disagreement: logits.count == 1 ? nil : Disagreement(mean: mean, members: logits),
      set: inSet.map { set in ranking.filter(set.contains) },
      isUncertain: calibration?.abstention?.isUncertain(probabilities[ranking[0]]))
  }
}

extension Ensemble.Disagreement {
  /// - Parameters: logits, `[classes]` and `[models or views][classes]`.
  init(mean: [Float], members: [[Float]]) {
    func uncertainty(_ logits: [Float]) -> Double {
      softmax(logits.map(Double.init)).reduce(0) { $1 > 0 ? $0 - $1 * log($1) : $0 }
    }
    entropy = uncertainty(mean)
    let within = members.map(uncertainty).sorted().reduce(0, +) / Double(members.count)
    // Rounding can take the difference of equal numbers below 0.
    mutualInformation = max(0, entropy - within)
  }
}

/// log of the mean over rows of softmax(row), `[rows][classes]`; finite even where a probability is not told from 0, and
/// the same for rows in any order.
func logMeanProbabilities(_ logits: [[Float]]) -> [Float] {
  let rows = logits.map { row in
    let row = row.map(Double.init)
    let norm = logSumExp(row)
    return row.map { $0 - norm }
  }
  return rows[0].indices.map { c in
    Float(logSumExp(rows.map { $0[c] }.sorted()) - log(Double(rows.count)))
  }
}

extension Ensemble {
  /// The record as a row of predictions: its fields without `ops`, then `prediction` (null, with the `reason`
  /// `uncertain`, where it abstains), `confidence`, `probabilities` by class, and where there are such `set`, `entropy`,
  /// `mutual_information` and `calibrated`. Failed records have their fields alone.
  ///
  /// What is wrong with the picture becomes the row's `error`.
  /// - Parameter name: the classifier's, where `logits` are wanted.
  /// - Throws: `GXError` where the record was prepared otherwise than a model wants, or does not say how.
  public func row(of record: Record, logitsOf name: String? = nil) throws -> Row {
    var row = record.meta
    row[.ops] = nil
    guard record.error == nil else { return row }
    let steps = try steps(for: record)
    do {
      guard let picture = record.tensor else { throw GXError("has no pixels") }
      let result = try classify(picture, after: steps)
      func byClass(_ values: [Float]) -> JSON {
        var object = JSONObject()
        for (name, value) in zip(classes, values) { object[name] = .float(value) }
        return .object(object)
      }
      row[.prediction] = result.isUncertain == true ? .null : .string(classes[result.prediction])
      if result.isUncertain == true { row[.reason] = .string(Row.uncertain) }
      row[.confidence] = .float(result.confidence)
      row[.probabilities] = byClass(result.probabilities)
      if let set = result.set { row[.set] = .array(set.map { .string(classes[$0]) }) }
      if let disagreement = result.disagreement {
        row[.entropy] = .double(disagreement.entropy)
        row[.mutualInformation] = .double(disagreement.mutualInformation)
      }
      if calibration != nil { row[.calibrated] = true }
      if let name {
        row[.logits] = byClass(result.logits)
        row[.classifier] = .string(name)
      }
    } catch {
      row.error = "\(error)"
    }
    return row
  }
}
