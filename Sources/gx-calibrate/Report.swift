import GXCore
import GXMetrics
import GXModel

/// Scores before and after calibration.
struct Report {
  private let replicates: Int
  private let seed: UInt64
  private let sides: [(name: String, scores: CalibrationScores, intervals: [Interval]?)]

  init(before: CalibrationSample, after: CalibrationSample, replicates: Int, seed: UInt64) {
    (self.replicates, self.seed) = (replicates, seed)
    sides = [("before", before), ("after", after)].map { name, sample in
      (name, sample.scores, replicates > 0 ? sample.intervals(replicates: replicates, seed: seed) : nil)
    }
  }

  /// `before` and `after`, each with its scores and their `intervals`.
  var json: JSONObject {
    var object = JSONObject()
    for side in sides {
      var scores = JSONObject()
      for (name, value) in side.scores.named { scores[name] = .double(value) }
      if let intervals = side.intervals {
        var ranges: JSONObject = ["level": 0.95, "replicates": .int(replicates), "seed": .number(String(seed))]
        for (score, interval) in zip(side.scores.named, intervals) { ranges[score.name] = interval.json }
        scores["intervals"] = .object(ranges)
      }
      object[side.name] = .object(scores)
    }
    return object
  }

  private static let titles = [
    "nll": "NLL", "brier": "Brier", "ece": "ECE", "ece_equal_mass": "ECE, equal mass", "classwise_ece": "classwise ECE",
  ]

  /// For people.
  /// - Parameter records: What was fitted to, calibrated.
  func table(_ calibration: Calibration, _ records: [LabelledPrediction]) -> String {
    var rows = [["", "before", "", "after", ""]]
    for (i, score) in sides[0].scores.named.enumerated() {
      rows.append(
        [Self.titles[score.name]!]
          + sides.flatMap { side in
            let range = side.intervals.map { "\(fixed($0[i].low, 4)) to \(fixed($0[i].high, 4))" }
            return [fixed(side.scores.named[i].value, 4), range ?? ""]
          })
    }
    var text = "\(records.count) records, \(Self.words(calibration.scaling, calibration.classes))\n" + textTable(rows)
    if let sets = calibration.conformal {
      let size = records.reduce(0) { $0 + sets.set($1.probabilities).count }
      text += "for a coverage of \(sets.coverage), by \(sets.score.rawValue): sets of "
      text += "\(fixed(Double(size) / Double(records.count), 2)) classes on average\n"
    }
    if let abstention = calibration.abstention {
      let kept = records.filter { !abstention.isUncertain($0.probabilities[$0.predicted]) }
      let right = kept.count(where: \.isRight)
      text += "for a precision of \(abstention.precision): \(kept.count) are predicted, with a confidence of at least "
      text += "\(fixed(abstention.threshold, 4)), and \(right) of them right\n"
    }
    return text
  }

  private static func words(_ scaling: LogitScaling, _ classes: [String]) -> String {
    switch scaling {
    case .temperature(let temperature): return "temperature \(fixed(temperature, 4))"
    case .vector(let scale, let bias):
      return classes.indices.map { "\(classes[$0]) x \(fixed(scale[$0], 3)) + \(fixed(bias[$0], 3))" }
        .joined(separator: ", ")
    }
  }
}
