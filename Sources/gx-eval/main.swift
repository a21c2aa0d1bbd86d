// gx-eval: scores predictions against labels.
//
// stdin or FILEs: NDJSON rows of gx-infer. stdout: a table, or with --json one object. What is held does not
// grow with the rows, but for 16 bytes a row where the bootstrap is on.

import GXCommand
import GXCore
import GXMetrics
import GXStream
import Glibc

let command = Command(
  "gx-eval", "score predictions against labels",
  synopsis: "[FILE]... < PREDICTIONS",
  about: """
    Reads gx-infer's rows from stdin or FILEs (NDJSON with label, prediction and probabilities) and prints accuracy,
    balanced accuracy, macro F1, NLL, Brier score and expected calibration error (15 bins) with 95 % intervals,
    precision, recall and F1 of each class, and the confusion matrix. A row without a prediction counts as its
    likeliest class.

    Rows that carry an error are counted as failed, rows without a label are counted and left out. Calibration is
    scored where every row has probabilities.
    """,
  options: [
    Option("json", nil, nil, "one JSON object instead of the table"),
    Option("label", "l", "FIELD", "the field that holds the truth [label]"),
    Option("split", nil, "A,B", "only rows of these splits"),
    Option("bootstrap", "b", "N", "replicates that the intervals are taken from; 0 for none [1000]"),
    .seed, .output, .maxErrors,
  ],
  examples: [
    "gx-infer -m galaxy.safetensors < test.tar | gx-eval",
    "gx-eval --json --split test predictions.ndjson | jq .macro_f1",
  ])

command.main { arguments in
  let replicates = try arguments.int("bootstrap", in: 0...1_000_000) ?? 1000
  let seed = try arguments.seed()
  let labelField = arguments.string("label") ?? "label"
  let splits = arguments.string("split").map { Set($0.split(separator: ",").map(String.init)) }
  let output = try Output(arguments, binary: false)
  var tally = try Tally(arguments)
  var scorer = Scorer(bootstraps: replicates > 0)

  for path in arguments.operands.isEmpty ? ["-"] : arguments.operands {
    if path == "-" && isatty(STDIN_FILENO) == 1 { throw UsageError("stdin is a terminal; predictions were expected") }
    let source = try ByteSource.open(path)
    let reader = NDJSONReader(source)
    while true {
      do {
        guard let row = try reader.next() else { break }
        if let splits, !splits.contains(row["split"]?.asText ?? "") { continue }
        var failed = row["error"] != nil
        if !failed {
          do throws(GXError) { try scorer.add(row, labelField) } catch {
            Log.error("\(error.at("\(source.name), line \(reader.line)"))")
            failed = true
          }
        }
        tally.add(failed: failed)
      } catch let bad as NDJSONReader.BadLine {
        Log.error("\(bad.fault)")
        tally.add(failed: true)
      }
    }
  }
  if scorer.unlabelled > 0 { Log.note("\(scorer.unlabelled) of \(tally.records) rows have no \(labelField)") }
  tally.report()
  guard let evaluation = scorer.evaluation, evaluation.confusion.total > 0 else {
    throw GXError("no row of \(tally.records) has both a \(labelField) and a prediction")
  }
  let intervals = replicates > 0 ? evaluation.intervals(replicates: replicates, seed: seed) : nil
  let text =
    arguments.has("json")
    ? json(evaluation.scores, intervals, scorer, tally) : table(evaluation.scores, intervals, scorer, tally)
  try output.sink.write(Array(text.utf8))
  try output.commit()
  return tally.status
}

/// Turns rows into numbered predictions; classes are numbered as they turn up.
struct Scorer {
  let bootstraps: Bool
  private(set) var classes: [String] = []
  private(set) var evaluation: Evaluation?
  private(set) var unlabelled = 0
  private var numbers: [String: Int] = [:]

  init(bootstraps: Bool) { self.bootstraps = bootstraps }

  mutating func add(_ row: JSONObject, _ labelField: String) throws(GXError) {
    guard let label = row[labelField]?.asText else {
      unlabelled += 1
      return
    }
    var probabilities: [(Int, Double)] = []
    for (name, value) in row["probabilities"]?.objectValue ?? [:] {
      guard let p = value.doubleValue else { throw GXError("probabilities.\(name): not a number") }
      probabilities.append((try number(name), p))
    }
    let likeliest = probabilities.max { $0.1 < $1.1 }?.0
    guard let predicted = try row["prediction"]?.asText.map({ name throws(GXError) in try number(name) }) ?? likeliest
    else { throw GXError("neither a prediction nor probabilities nor an error") }
    let truth = try number(label)
    var prediction = Prediction(truth: truth, predicted: predicted)
    if !probabilities.isEmpty {
      prediction.probabilities = [Double](repeating: 0, count: classes.count)
      for (number, p) in probabilities { prediction.probabilities[number] = p }
    }
    if evaluation == nil { evaluation = Evaluation(classes: classes.count, bootstraps: bootstraps) }
    if evaluation!.confusion.classes < classes.count { evaluation!.grow(to: classes.count) }
    try evaluation!.add(prediction)
  }

  private mutating func number(_ name: String) throws(GXError) -> Int {
    if let known = numbers[name] { return known }
    guard classes.count < ConfusionMatrix.classLimit else {
      throw GXError("'\(name)' is one class more than the limit of \(ConfusionMatrix.classLimit)")
    }
    classes.append(name)
    numbers[name] = classes.count - 1
    return classes.count - 1
  }
}

extension JSON {
  /// A name, or a number by its digits; nil for anything else.
  var asText: String? {
    if case .number(let digits) = self { return digits }
    return stringValue
  }
}

func json(_ scores: Scores, _ intervals: ScoreIntervals?, _ scorer: Scorer, _ tally: Tally) -> String {
  var object = scores.json(classes: scorer.classes)
  object["failed"] = .int(tally.failed)
  object["unlabelled"] = .int(scorer.unlabelled)
  if let intervals { object["intervals"] = .object(intervals.json(classes: scorer.classes)) }
  return JSON.object(object).text + "\n"
}

func table(_ scores: Scores, _ intervals: ScoreIntervals?, _ scorer: Scorer, _ tally: Tally) -> String {
  let titles = [
    "accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "macro_f1": "macro F1", "nll": "NLL",
    "brier": "Brier", "ece": "ECE",
  ]
  let order = bytewiseOrder(scorer.classes)
  let width = max(18, scorer.classes.map(\.count).max()! + 1)
  func range(_ interval: Interval?) -> String { interval.map { "  \(fixed($0.low)) to \(fixed($0.high))" } ?? "" }

  var text = left("records", width) + right("\(scores.confusion.total)", 9)
  text += intervals.map { "  95 % from \($0.replicates) replicates\n" } ?? "\n"
  if tally.failed > 0 { text += left("failed", width) + right("\(tally.failed)", 9) + "\n" }
  if scorer.unlabelled > 0 { text += left("unlabelled", width) + right("\(scorer.unlabelled)", 9) + "\n" }
  for (name, value) in scores.named {
    text += left(titles[name]!, width) + right(fixed(value), 9) + range(intervals?[name]) + "\n"
  }
  text += "\n" + left("", width) + ["precision", "recall", "F1", "records"].map { right($0, 11) }.joined() + "\n"
  for k in order {
    let one = scores.perClass[k]
    text += left(scorer.classes[k], width) + [one.precision, one.recall, one.f1].map { right(fixed($0), 11) }.joined()
    text += right("\(one.support)", 11) + (intervals.map { "  F1" + range($0.perClass[k].f1) } ?? "") + "\n"
  }
  text += "\n" + left("label \\ prediction", width)
  let columns = order.map { max(9, scorer.classes[$0].count + 2) }
  text += zip(order, columns).map { right(scorer.classes[$0], $1) }.joined() + "\n"
  for truth in order {
    text += left(scorer.classes[truth], width)
    text += zip(order, columns).map { right("\(scores.confusion[truth, $0])", $1) }.joined() + "\n"
  }
  return text
}

/// Four decimals.
func fixed(_ value: Double) -> String {
  guard value.isFinite else { return "-" }
  let digits = String(Int((value * 1e4).rounded()))
  let padded = String(repeating: "0", count: max(0, 5 - digits.count)) + digits
  return padded.dropLast(4) + "." + padded.suffix(4)
}

func left(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(0, width - text.count)) }
func right(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(0, width - text.count)) + text }
