import Foundation
import FoundationXML
import GXCore
import GXImage
import GXMetrics
import Testing

@testable import GXPlot

private func log(_ epochs: Int) throws -> TrainingLog {
  var log = TrainingLog()
  for epoch in 1...epochs {
    try log.add([
      "epoch": .int(epoch), "lr": 0.001, "train_loss": .double(2 / Double(epoch)), "val_loss": 0.5,
      "val_accuracy": 0.75, "best": .bool(epoch == 1),
    ])
  }
  return log
}

private func curve(_ seed: UInt64) -> RankingCurve {
  var random = Random(seed: seed, epoch: 0, id: "curve")
  let truth = (0..<500).map { _ in random.below(2) == 1 }
  return RankingCurve(scores: truth.map { ($0 ? 0.3 : 0) + Double(random.below(1000)) / 1000 }, isPositive: truth)
}

private func charts(_ classes: [String] = ["elliptical", "spiral"]) throws -> [any Chart] {
  var matrix = ConfusionMatrix(classes: classes.count)
  var reliability = Reliability()
  var counts = ClassCounts()
  for i in 0..<50 {
    matrix.add(truth: i % classes.count, predicted: i / 2 % classes.count)
    reliability.add(confidence: Double(i) / 49, isRight: i % 3 > 0)
    try counts.add(class: classes[i % classes.count], split: i % 5 == 0 ? "val" : "train")
  }
  let ranked = classes.prefix(RankingChart.limit).enumerated().map { ($1, curve(UInt64($0))) }
  return [
    TrainingChart(try log(20)), ConfusionChart(matrix, classes: classes), ReliabilityChart(reliability),
    CoverageChart(RiskCoverage(confidences: (0..<50).map { Double($0 % 9) }, right: (0..<50).map { $0 % 4 > 0 })),
    RankingChart(.roc, ranked), RankingChart(.precisionRecall, ranked), ClassChart(counts),
  ]
}

/// The elements of an SVG, by name, as an XML parser that is not ours sees them.
private final class Elements: NSObject, XMLParserDelegate {
  var counts: [String: Int] = [:]
  var texts: [String] = []
  private var text = ""

  init?(_ svg: String) {
    super.init()
    let parser = XMLParser(data: Data(svg.utf8))
    parser.delegate = self
    guard parser.parse() else { return nil }
  }
  func parser(
    _: XMLParser, didStartElement name: String, namespaceURI _: String?, qualifiedName _: String?,
    attributes _: [String: String]
  ) {
    counts[name, default: 0] += 1
    text = ""
  }
  func parser(_: XMLParser, foundCharacters characters: String) { text += characters }
  func parser(_: XMLParser, didEndElement name: String, namespaceURI _: String?, qualifiedName _: String?) {
    if name == "text" { texts.append(text) }
  }
}

private let names = ["spiral", "<b>&\"'\u{1}", String(repeating: "long name ", count: 400), "渦巻銀河", ""]

@Suite struct ChartTests {
  @Test func everyChartIsXMLAndAPNGOfItsSize() throws {
    for chart in try charts() + charts(["one"]) + charts(names) + charts((0..<60).map { "class \($0)" }) {
      for theme in [Theme.light, .dark] {
        let drawing = chart.drawing(width: 640, height: 400, theme: theme)
        let svg = drawing.svg()
        #expect(Elements(svg) != nil, "\(type(of: chart))")
        #expect(svg == chart.drawing(width: 640, height: 400, theme: theme).svg())
        #expect(!svg.contains("nan") && !svg.contains("inf\""))
      }
      let png = try chart.drawing(width: 320, height: 200).png(scale: 1.5)
      let picture = try png.withUnsafeBytes { try Image.decode($0) }
      #expect(picture.shape == [300, 480, 3])
      #expect(Set(picture.withBytes { Array($0) }).count > 10, "a picture of nothing")
    }
  }

  @Test func everyChartFitsOnAnyTerminal() throws {
    for chart in try charts() + charts(names) {
      for (columns, rows) in [(80, 23), (10, 8), (300, 100)] {
        let drawing = chart.drawing(width: Double(2 * columns), height: Double(4 * rows), medium: .terminal)
        let lines = drawing.text(colors: .none)
        #expect(lines.count == rows)
        #expect(lines.allSatisfy { $0.reduce(0) { $0 + GXPlot.columns(of: $1) } <= columns })
        #expect(!lines.joined().unicodeScalars.contains { $0.value < 32 }, "control characters")
        #expect(drawing.text(colors: .full).joined().contains("\u{1b}["))
      }
    }
  }

  @Test func namesOfLinesDoNotOverlap() throws {
    let classes = (0..<12).map { ("class \($0)", curve(0)) }
    let drawing = RankingChart(.roc, classes).drawing()
    let heights = drawing.marks.compactMap { mark -> Double? in
      if case .text(let text, let at, .start, _, _, _) = mark, text.hasPrefix("0.") { at.y } else { nil }
    }
    #expect(heights.count == 12)
    #expect(zip(heights, heights.dropFirst()).allSatisfy { $1 - $0 > 13 })
  }

  @Test func confusionTellsSharesAndCounts() throws {
    var matrix = ConfusionMatrix(classes: 2)
    matrix.add(truth: 0, predicted: 0, count: 30)
    matrix.add(truth: 0, predicted: 1, count: 10)
    matrix.add(truth: 1, predicted: 1, count: 5)
    let elements = try #require(Elements(ConfusionChart(matrix, classes: ["b", "a"]).drawing().svg()))
    for text in ["75 %", "30", "25 %", "10", "100 %", "5", "true class", "predicted class"] {
      #expect(elements.texts.contains(text), "\(text)")
    }
    #expect(elements.counts["rect"] == 1 + 4)  // the background, and a cell each
    #expect(elements.texts.firstIndex(of: "a")! < elements.texts.firstIndex(of: "b")!)
  }

  @Test func manyPointsAreThinnedOut() throws {
    let many = RankingCurve(
      scores: (0..<100_000).map { Double(($0 &* 7919) % 100_003) }, isPositive: (0..<100_000).map { $0 % 3 == 0 })
    let svg = RankingChart(.roc, [("a", many)]).drawing().svg()
    #expect(svg.utf8.count < 200_000)
  }
}

@Suite struct TrainingLogTests {
  @Test func phasesFollowEachOther() throws {
    var log = TrainingLog()
    for (phase, count) in [("head", 3), ("all", 4)] {
      for epoch in 1...count {
        try log.add(["phase": .string(phase), "epoch": .int(epoch), "train_loss": 1])
      }
    }
    #expect(log.positions == [1, 2, 3, 4, 5, 6, 7])
    #expect(TrainingChart(log).drawing().svg().contains(">all</text>"))
  }

  @Test func whatIsTrainedAgainTakesThePlace() throws {
    var log = try log(5)
    try log.add(["epoch": 3, "train_loss": 9])
    #expect(log.epochs.map(\.number) == [1, 2, 3])
    #expect(log.epochs.last?.values == ["train_loss": 9])
    try log.add(["epoch": 1, "val_loss": 1])
    #expect(log.names == ["val_loss"])
  }

  @Test func rowsOfOtherKindsAreRefused() {
    var log = TrainingLog()
    #expect(throws: GXError.self) { try log.add(["id": "a", "prediction": "spiral"]) }
    #expect(throws: GXError.self) { try log.add(["epoch": 1, "train_loss": .null]) }
    #expect(throws: GXError.self) { try log.add(["epoch": 1.5, "train_loss": 1]) }
    for number: JSON in [-1, .int(.min), .int(.max), 1e18] {
      let error = #expect(throws: GXError.self) { try log.add(["epoch": number, "train_loss": 1]) }
      #expect("\(error!)".hasPrefix("epoch: "))
    }
    var many: JSONObject = ["epoch": 1]
    for i in 0...TrainingLog.nameLimit { many["val_\(i)"] = 1 }
    #expect(throws: GXError.self) { try log.add(many) }
    #expect(log.epochs.isEmpty && log.names.isEmpty)
  }

  @Test func aRowThatIsRefusedTakesNothingAway() throws {
    var log = try log(5)
    #expect(throws: GXError.self) { try log.add(["epoch": 3, "train_loss": .null]) }
    #expect(log.epochs.count == 5)
  }

  /// Losses that run away, rates that are none: whatever is a number is drawn, and what is none is a gap.
  @Test(
    arguments: [
      [["epoch": 1, "lr": -1, "train_loss": 1]], [["epoch": 1, "lr": -1e19, "train_loss": 1]],
      [["epoch": 1, "lr": 1e308, "train_loss": 1], ["epoch": 2, "lr": -1e308, "train_loss": 1]],
      [["epoch": 1, "lr": .number("1e999"), "train_accuracy": .number("1e999"), "train_loss": 1]],
      [["epoch": 1, "train_loss": 1e308], ["epoch": 2, "train_loss": -1e308], ["epoch": 3, "train_loss": 1]],
      [["epoch": 1_000_000_000, "val_accuracy": 1e308]], [["epoch": 0, "val_loss": -0.0, "lr": 0]],
      // What the first says is no more.
      [["epoch": 1, "train_loss": 1, "val_accuracy": 1], ["epoch": 1, "val_accuracy": 0.5]],
      [["phase": "a", "epoch": 1_000_000_000, "val_loss": 1], ["phase": "b", "epoch": 0, "val_loss": 2]],
    ] as [[JSONObject]])
  func oddNumbersAreDrawn(_ rows: [JSONObject]) throws {
    var log = TrainingLog()
    for row in rows { try log.add(row) }
    let chart = TrainingChart(log)
    #expect(Elements(chart.drawing().svg()) != nil)
    #expect(throws: Never.self) { try chart.drawing().png() }
    #expect(chart.drawing(width: 160, height: 92, medium: .terminal).text(colors: .none).count == 23)
    for mark in chart.drawing().marks {
      if case .dot(let at, _, _) = mark { #expect(at.x.isFinite && at.y.isFinite) }
    }
  }
}

@Suite struct ContactSheetTests {
  @Test func picturesStandWhereTheyBelong() throws {
    let cells = try (0..<5).map { i in
      ContactSheet.Cell(
        picture: i == 3
          ? nil : try Tensor(.u8, [32, 32, 3]) { out in for k in 0..<out.count { out[k] = UInt8(50 * i + 7) } },
        lines: [ContactSheet.Line("id \(i)")])
    }
    let sheet = try ContactSheet(cells, cell: 32, columns: 3, theme: .light).pixels()
    #expect(sheet.shape[1] == 3 * 36 + 4)
    #expect(sheet.shape[0] * sheet.shape[1] <= ContactSheet.pixels(count: 6, cell: 32, lines: 1))
    let pixels = sheet.withBytes { Array($0) }
    for i in [0, 1, 2, 4] {
      let (x, y) = (4 + i % 3 * 36 + 16, 4 + i / 3 * ((sheet.shape[0] - 4) / 2) + 16)
      #expect(pixels[3 * (y * sheet.shape[1] + x)] == UInt8(50 * i + 7))
    }
  }
}
