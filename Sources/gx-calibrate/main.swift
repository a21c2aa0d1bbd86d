// gx-calibrate: makes a model's probabilities mean what they say.
//
// stdin or FILEs: NDJSON rows of gx-infer --logits with labels, all held in memory. -o: the model with its calibration;
// without -m the calibration as JSON, on stdout or as -o. stderr: scores before and after.

import GXCommand
import GXCore
import GXMetrics
import GXModel
import GXStream

let command = Command(
  "gx-calibrate", "make probabilities mean what they say",
  synopsis: "[-m MODEL -o NEW] [FILE]... < PREDICTIONS",
  about: """
    Reads rows of "gx-infer --logits" with labels, of records that the model did not learn from, and finds the
    temperature that its logits should be divided by, so that of the predictions made with a confidence of 0.8 some
    80 % are right (Guo et al. 2017). Which class is the likeliest stays as it is; with --vector, a scale and a bias for
    each class, it may change.

    NEW is MODEL with the calibration in it: gx-infer and gx-serve apply it. Without -m the calibration comes out as
    JSON, for their --calibration FILE: of several models the mean is calibrated, not each.

    With --conformal COVERAGE predictions also get a set of classes that holds the truth with at least this probability,
    whatever the model, for records that could as well have been among these (split-conformal prediction). The method
    lac (Sadinle et al. 2019) makes the smallest sets, and empty ones where nothing is likely; aps (Romano et al. 2020,
    not randomised) makes larger sets where it is harder, and no empty ones. With --precision P predictions whose
    confidence is too low are kept back, so that of the others at least the share P is right, by the lower 95 % bound of
    what is right here (Clopper & Pearson).

    The scores on stderr, which are stored too, have 95 % intervals from a bootstrap. Those after calibration are of the
    records that it was fitted to: gx-eval on others tells the whole truth.

    Refused are rows of split train, rows without label or logits or with others' classes, rows that were calibrated
    already (gx-infer --calibration none), and rows that came from another model, or another --tta, than MODEL's.
    """,
  options: [
    Option("model", "m", "MODEL", "the model that the rows came from"),
    Option("vector", nil, nil, "a scale and a bias for each class, not one temperature"),
    Option("conformal", nil, "COVERAGE", "also the threshold of prediction sets with this coverage, such as 0.9"),
    Option("method", nil, "NAME", "of the sets: lac or aps [lac]"),
    Option("precision", nil, "P", "also the least confidence for a precision of P, such as 0.95"),
    .truth, .rowSplits, .bootstrap, .seed, .output, .maxErrors,
  ],
  examples: [
    "gx-cat --split val galaxies.tar | gx-infer --logits -m a.safetensors | gx-calibrate -m a.safetensors -o b.safetensors",
    "gx-infer --logits -m a -m b < val.tar | gx-calibrate --conformal 0.9 -o mean.json",
    "gx-infer -m a -m b --calibration mean.json < new.tar | jq -r '[.id, .set] | @json'",
  ])

command.main { arguments in
  let share = Double.leastNormalMagnitude...1.0.nextDown
  let coverage = try arguments.double("conformal", in: share)
  let precision = try arguments.double("precision", in: share)
  let method = try arguments.choice("method", ConformalSets.Score.self)
  if method != nil && coverage == nil { throw UsageError("--method NAME is for --conformal COVERAGE") }
  let replicates = try arguments.bootstrap()
  let seed = try arguments.seed()
  let path = arguments.string("model")
  if path != nil && !arguments.has("output") { throw UsageError("-m MODEL needs -o NEW") }
  return try arguments.count { tally in
    var model = try path.map { path throws in try Model(path: path) }
    let rows = try Rows(
      paths: arguments.operands, RowSelection(arguments),
      classifier: model.map { ClassifierName([.init($0, $0.views)]) }, classes: model?.classes, &tally)

    let records = rows.records
    let scaling =
      try arguments.has("vector")
      ? LogitScaling.vector(fitting: records, classes: rows.classes)
      : temperature(fitting: records, orNone: coverage != nil || precision != nil)
    let before = records
    let after = records.map { LabelledPrediction(logits: $0.logits, truth: $0.truth, scaling: scaling) }
    var calibration = Calibration(classes: rows.classes, scaling: scaling, classifier: rows.classifier)
    calibration.conformal = try coverage.map {
      coverage throws in
      try ConformalSets(score: method ?? .lac, coverage: coverage, fitting: after.map { ($0.probabilities, $0.truth) })
    }
    calibration.abstention = try precision.map { precision throws in
      try Abstention(
        precision: precision,
        fitting: after.map { .init(confidence: $0.probabilities[$0.predicted], isRight: $0.isRight) })
    }
    let report = Report(
      before: CalibrationSample(before), after: CalibrationSample(after), replicates: replicates, seed: seed)
    var fitted: JSONObject = ["records": .int(records.count)]
    if !rows.splits.isEmpty { fitted["splits"] = .array(rows.splits.map(JSON.string)) }
    fitted.merge(report.json)
    calibration.others["fitted"] = .object(fitted)
    Log.table(report.table(calibration, after))

    if model != nil {
      model!.calibration = calibration
      try model!.write(path: arguments.string("output")!)
    } else {
      try arguments.write { try $0.write(JSON.object(calibration.json).text + "\n") }
    }
  }
}

/// The best temperature; where there is none, an error, or 1 if that is not all that was asked for.
func temperature(fitting records: [LabelledPrediction], orNone isOptional: Bool) throws -> LogitScaling {
  do throws(GXError) { return try .temperature(fitting: records) } catch {
    guard isOptional else { throw error }
    Log.note("\(error); the temperature stays 1")
    return .none
  }
}
