import GXCore
import GXMetrics
import GXModel
import GXPlot

/// One HTML page about a model: its scores, what it gets wrong and why, what it learnt from, and how to do it again. The
/// page stands alone: no script, and nothing is fetched from anywhere.
///
/// Everything that comes from outside is escaped, names are clipped, and the numbers of pictures, classes and splits
/// have limits, so that the page's size has one too.
public struct Report {
  public var title: String
  public var model: Model
  /// What the model is called: its file, say.
  public var modelName: String
  public var judgement: Judgement
  public var findings: Findings
  public var log: TrainingLog?
  /// Where predictions are from, if they were not made for the report.
  public var predictionsName: String?
  /// The file of out-of-fold predictions that labels were audited by, if they were, and how many are suspect.
  public var audit: (name: String, suspects: Int)?
  /// Records that failed.
  public var failed = 0
  /// The command that made the report.
  public var command: [String]
  public var replicates = 1000
  public var seed: UInt64 = 0
  public var assumption: Provenance.Assumption?

  /// The most rows of a table of classes.
  static let classRows = 100

  public init(
    title: String, model: Model, modelName: String, judgement: Judgement, findings: Findings, command: [String]
  ) {
    (self.title, self.model, self.modelName) = (title, model, modelName)
    (self.judgement, self.findings, self.command) = (judgement, findings, command)
  }

  // MARK: The page

  public var html: HTML {
    let scores = judgement.board.evaluation.scores
    let intervals =
      replicates > 0 ? judgement.board.evaluation.intervals(replicates: replicates, seed: seed) : nil
    let gallery = Gallery(model, assuming: assumption)
    let sections: [(name: String, title: String, body: HTML)] = [
      ("Scores", "Scores", self.scores(scores, intervals)), ("Confusion", "What is taken for what", confusion(scores)),
      ("Confidence", "Can its confidence be trusted?", confidence),
      ("Mistakes", "Its most confident mistakes", mistakes(gallery)),
      ("Labels", "Labels that are probably wrong", suspects(gallery)),
      ("Examples", "What it is surest of, and right", examples(gallery)), ("Training", "Training", training),
      ("Data", "Data", data), ("Again", "How to do it again", again),
    ].filter { !$0.body.text.isEmpty }
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="color-scheme" content="light dark" />
      <meta name="generator" content="gx-report" />
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:" />
      <title>\(clipped(title, 200))</title>
      <style>
      \(style)
      </style>
      </head>
      <body>
      <header>
      <h1>\(clipped(title, 200))</h1>
      \(summary(scores, intervals))</header>
      <nav aria-label="Contents">\(sections.map { "<a href=\"#\($0.name)\">\($0.name)</a> " })</nav>
      <main>
      \(sections.map { "<section id=\"\($0.name)\">\n<h2>\($0.title)</h2>\n\($0.body)</section>\n" })</main>
      <footer><p>Made by gx-report. The page stands alone: it holds all its pictures and asks nothing of the network.</p></footer>
      </body>
      </html>

      """
  }

  /// A chart twice over: laid out for a wide page and for a phone, each in the colours of day and night. Which one is
  /// seen, the style tells.
  private func chart(_ chart: some Chart, titled title: String? = nil, height: Double, narrowHeight: Double) -> HTML {
    func drawn(_ width: Double, _ height: Double, _ theme: Theme) -> HTML {
      HTML(markup: chart.drawing(width: width, height: height, theme: theme, title: title).svg())
    }
    return """
      <figure class="chart">
      <div class="wide light">\(drawn(928, height, .light))</div><div class="wide dark">\(drawn(928, height, .dark))</div>
      <div class="narrow light">\(drawn(358, narrowHeight, .light))</div>\
      <div class="narrow dark">\(drawn(358, narrowHeight, .dark))</div>
      </figure>

      """
  }

  // MARK: Scores

  private func summary(_ scores: Scores, _ intervals: ScoreIntervals?) -> HTML {
    let range = intervals?["accuracy"].map { " (95 % interval \(fixed(100 * $0.low, 1)) to \(percent($0.high)))" } ?? ""
    var text: HTML = """
      <p class="lead"><b>\(clipped(modelName))</b> tells \(judgement.board.classes.count) classes apart. Of \
      \(scores.confusion.total) \(split) pictures it got <b>\(percent(scores.accuracy))</b> right\(range).
      """
    if scores.abstained > 0 {
      text += " It would not say of another \(scores.abstained); \(percent(scores.coverage)) were answered."
    }
    if let curve = judgement.board.evaluation.riskCoverage {
      text += """
         Answering only the 80 % that it is surest of, it would be right about \
        \(percent(curve.accuracy(atCoverage: 0.8))) of them.
        """
    }
    text += "</p>\n"
    if judgement.splits.contains("val") {
      text += "<p class=\"note\">By these pictures the best epoch was chosen: on new ones expect a little less.</p>\n"
    }
    if judgement.splits.contains("train") {
      text += "<p class=\"note\">It learnt from these pictures: their scores say little of new ones.</p>\n"
    }
    return text
  }

  /// As in "468 test pictures".
  private var split: String { clipped(judgement.splits.isEmpty ? "labelled" : judgement.splits) }

  private func scores(_ scores: Scores, _ intervals: ScoreIntervals?) -> HTML {
    let meanings = [
      "coverage": "share that was answered", "accuracy": "share that was told right",
      "balanced_accuracy": "mean of the classes' recalls", "macro_f1": "mean of the classes' F1 scores",
      "nll": "negative log-likelihood; 0 is best", "brier": "squared error of the probabilities, 0 (best) to 2",
      "ece": "how far confidence and accuracy lie apart; 0 is best",
      "set_coverage": "share of the prediction sets that hold the truth", "set_size": "classes in a prediction set",
    ]
    let rows: [HTML] = scores.named.map { name, value in
      """
      <tr><th scope="row">\(Scores.title(name))<small>\(meanings[name] ?? "")</small></th>\
      <td class="n">\(fixed(value, 3))</td><td class="n">\(range(intervals?[name]))</td></tr>

      """
    }
    let classes = judgement.board.classes
    let order = bytewiseOrder(classes)
    let each: [HTML] = order.prefix(Self.classRows).map { k in
      let one = scores.perClass[k]
      return """
        <tr><th scope="row">\(clipped(classes[k]))</th><td class="n">\(fixed(one.precision, 3))</td>\
        <td class="n">\(fixed(one.recall, 3))</td>\
        <td class="n">\(fixed(one.f1, 3))<small>\(range(intervals?.perClass[k].f1))</small></td>\
        <td class="n">\(one.support)</td></tr>

        """
    }
    let among = intervals == nil ? "" : "95 % interval"
    return """
      <div class="tables"><div class="scroll"><table>
      <thead><tr><th scope="col">Score</th><th scope="col" class="n">Value</th>\
      <th scope="col" class="n">\(among)</th></tr></thead>
      <tbody>
      \(rows)</tbody></table></div>
      <div class="scroll"><table>
      <thead><tr><th scope="col">Class</th><th scope="col" class="n">Precision</th><th scope="col" class="n">Recall</th>\
      <th scope="col" class="n">F1\(intervals == nil ? "" : ", 95 %")</th>\
      <th scope="col" class="n">Pictures</th></tr></thead>
      <tbody>
      \(each)</tbody></table></div></div>
      \(order.count > Self.classRows ? "<p>And \(order.count - Self.classRows) more classes.</p>\n" : "")
      <p class="muted">Precision: of those taken for the class, the share that is. Recall: of those that are, the share \
      that was found. F1 is the mean that is high only where both are.\
      \(intervals.map { " Intervals: bootstrap, \($0.replicates) replicates, seed \(String($0.seed))." } ?? "")</p>

      """
  }

  private func range(_ interval: Interval?) -> String {
    interval.map { "\(fixed($0.low, 3)) – \(fixed($0.high, 3))" } ?? ""
  }

  private func confusion(_ scores: Scores) -> HTML {
    guard scores.confusion.total > 0 else { return "" }
    let rows = Double(min(scores.confusion.classes, 30))
    return chart(
      ConfusionChart(scores.confusion, classes: judgement.board.classes), height: 160 + max(3, rows) * 62,
      narrowHeight: 170 + max(3, rows) * 50)
  }

  private var confidence: HTML {
    var text: HTML = ""
    if let reliability = judgement.board.evaluation.reliability, reliability.count > 0 {
      text += """
        <p>A calibrated classifier is right in 7 of 10 cases where it says 70 %: its bars end at the dashed line. Below \
        the line it is too sure of itself, above it not sure enough.</p>

        """
      text += chart(ReliabilityChart(reliability), height: 480, narrowHeight: 420)
    }
    if let curve = judgement.board.evaluation.riskCoverage {
      text += """
        <p>What if it answered only the pictures it is surest of, and left the others to people? Further left it \
        answers fewer, and is right more often if its confidence is worth something.</p>

        """
      text += chart(CoverageChart(curve), height: 400, narrowHeight: 340)
    }
    return text
  }

  private var training: HTML {
    guard let log, !log.epochs.isEmpty else { return "" }
    return chart(TrainingChart(log), titled: "Loss and scores by epoch", height: 460, narrowHeight: 560)
  }

  // MARK: Pictures

  private func mistakes(_ gallery: Gallery) -> HTML {
    let findings = judgement.mistakes.findings
    guard !findings.isEmpty else { return "" }
    return """
      <p>Where it is sure and wrong, it either misses something, or the label is wrong: the pictures tell. \(legend(gallery))</p>
      \(gallery.cards(findings))
      """
  }

  private func suspects(_ gallery: Gallery) -> HTML {
    guard let audit else { return "" }
    guard audit.suspects > 0 else { return "<p>None was found in \(clipped(audit.name)).</p>\n" }
    return """
      <p>\(audit.suspects) labels are suspect by confident learning (Northcutt et al. 2021), judged by networks that had \
      not seen them (\(clipped(audit.name))); here are the worst. The evidence shown is this model's.</p>
      \(gallery.cards(findings.suspected))
      """
  }

  private func examples(_ gallery: Gallery) -> HTML {
    let names = judgement.board.classes
    let findings = bytewiseOrder(names).flatMap { judgement.examples[Name(names[$0])]?.findings ?? [] }
    guard !findings.isEmpty, gallery.fault == nil else { return "" }
    return gallery.cards(findings)
  }

  private func legend(_ gallery: Gallery) -> HTML {
    if let fault = gallery.fault { return "No pictures: \(clipped(fault, 200))." }
    return """
      Beside each picture, bright where the evidence for a class lies (Grad-CAM, Selvaraju et al. 2017), relative \
      to the place with the most.
      """
  }

  // MARK: Data and how to do it again

  private var data: HTML {
    guard findings.counts.total > 0 else { return "" }
    var notes: [HTML] = []
    if findings.unlabelled > 0 { notes.append("\(findings.unlabelled) records have no label.") }
    if failed > 0 { notes.append("\(failed) records failed and are in no score.") }
    let rows = Double(min(findings.counts.classes.count, 30))
    return chart(ClassChart(findings.counts), height: 150 + rows * 46, narrowHeight: 170 + rows * 46)
      + (notes.isEmpty ? "" : "<p>\(notes.map { $0 + " " })</p>\n")
  }

  private var again: HTML {
    var facts: [(String, String)] = [("model", modelName), ("model digest", model.digest)]
    func add(_ name: String, _ value: JSON?) {
      if let value, value != .null { facts.append((name, value.nameValue ?? value.text)) }
    }
    add("trained by gx", model.training["gx"])
    add("seed", model.training["arguments"]?.objectValue?["seed"])
    add("data digest", model.training["data"])
    add("pictures to train on", model.training["train_records"])
    add("pictures to validate on", model.training["val_records"])
    add("epochs", model.training["epochs"])
    add("best epoch", model.training["best_epoch"])
    facts.append(("classes", model.classes.joined(separator: ", ")))
    facts.append(("input", model.input.map(String.init).joined(separator: " x ")))
    for (i, op) in model.ops.enumerated() { facts.append((i == 0 ? "preparation" : "", op.text)) }
    facts.append(("weights", "\(model.graph.parameterCount)"))
    if let calibration = model.calibration { facts.append(("calibration", JSON.object(calibration.json).text)) }
    for name in ["about", "limits", "attribution"] { add(name, model.card[name]) }
    if let predictionsName { facts.append(("predictions", predictionsName)) }
    let rows: [HTML] = facts.map { "<tr><th scope=\"row\">\($0)</th><td>\(clipped($1, 2000))</td></tr>\n" }
    var commands = ""
    if let training = model.trainingCommand { commands += training + "\n" }
    commands += command.map(shellWord).joined(separator: " ") + " < STREAM"
    return """
      <p>The same records, arguments and number of threads give the same weights, and this page again.</p>
      <pre>\(clipped(commands, 8000))</pre>
      <div class="scroll"><table class="facts"><tbody>
      \(rows)</tbody></table></div>

      """
  }
}
