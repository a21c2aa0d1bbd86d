import Foundation
import FoundationXML
import Testing

/// The page as a browser would take it in. gx writes it as XML too, so that a strict parser can tell whether a tag is
/// left open or a text was not escaped.
private final class Page: NSObject, XMLParserDelegate {
  var elements: [(name: String, attributes: [String: String])] = []
  var texts: [String: [String]] = [:]
  private var open: [String] = []

  init(_ html: Data) throws {
    super.init()
    let parser = XMLParser(data: html)
    parser.delegate = self
    guard parser.parse() else { throw parser.parserError! }
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String]
  ) {
    elements.append((name, attributes))
    open.append(name)
    texts[name, default: []].append("")
  }

  func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
    open.removeLast()
  }

  func parser(_ parser: XMLParser, foundCharacters string: String) {
    guard let name = open.last else { return }
    texts[name]![texts[name]!.count - 1] += string
  }

  func count(_ name: String) -> Int { elements.count { $0.name == name } }
  /// What stands in elements of this name, one after the other.
  func text(_ name: String) -> String { (texts[name] ?? []).joined(separator: "\n") }
}

@Suite struct ReportTests {
  /// Rendered galaxies, a model of them after one epoch, and its log.
  private let scratch = try! Scratch()

  init() throws {
    let made = shell(
      """
      set -e -o pipefail
      gx-synth -n 160 --size 32 --shares 60:10:30 -s 3 | gx-normalize > galaxies.tar
      gx-train -q -j 1 --epochs 1 --batch 16 --ema 0 -o galaxy.safetensors < galaxies.tar > log.ndjson
      """)
    try #require(made.status == 0, "\(made.stderr)")
  }

  private func shell(_ line: String) -> Run.Result { try! Run.shell(line, in: scratch.url) }
  private func report(_ options: String, _ input: String = "galaxies.tar") -> Run.Result {
    shell("gx-report -q -m galaxy.safetensors \(options) < \(input)")
  }

  @Test func onePageThatStandsAlone() throws {
    let run = report("--log log.ndjson --title 'Run 7'")
    #expect(run.status == 0 && run.stderr.isEmpty, "\(run.stderr)")
    let page = try Page(run.stdout)
    #expect(page.text("title").contains("Run 7") && page.text("h1") == "Run 7")
    for heading in ["Scores", "What is taken for what", "Its most confident mistakes", "Training", "Data"] {
      #expect(page.texts["h2"]!.contains(heading), "\(heading)")
    }
    // Nothing is run, nothing is fetched, and a browser is told so.
    #expect(page.elements.allSatisfy { !["script", "link", "iframe", "object", "form"].contains($0.name) })
    for (name, attributes) in page.elements {
      #expect(attributes.keys.allSatisfy { !$0.hasPrefix("on") && $0 != "srcset" && $0 != "xlink:href" }, "\(name)")
      if let source = attributes["src"] { #expect(source.hasPrefix("data:image/jpeg;base64,/9j/")) }
      if let link = attributes["href"] { #expect(link.hasPrefix("#")) }
    }
    #expect(!page.text("style").contains("url(") && !page.text("style").contains("@import"))
    let policy = page.elements.first { $0.attributes["http-equiv"] == "Content-Security-Policy" }
    #expect(policy?.attributes["content"]?.hasPrefix("default-src 'none'") == true)
    // Pictures and charts can be read aloud.
    let pictures = page.elements.filter { $0.name == "img" }
    #expect(pictures.count > 6 && pictures.allSatisfy { $0.attributes["alt"]?.isEmpty == false })
    #expect(page.count("svg") == 5 * 4 && page.count("svg") == page.elements.count { $0.attributes["role"] == "img" })
    #expect(run.stdout.count < 2_000_000)
  }

  @Test func sameBytesForAnyNumberOfThreads() {
    let run = shell(
      """
      gx-report -q -m galaxy.safetensors -j 1 -o a < galaxies.tar; grep -v '^gx-report' a > one
      gx-report -q -m galaxy.safetensors -j 2 -o b < galaxies.tar; grep -v '^gx-report' b > two
      cmp one two && test -s one
      """)
    #expect(run.status == 0, "\(run.stderr)")
  }

  /// What the page says about how the model was made makes that model.
  @Test func itsRecipeWorks() throws {
    let page = try Page(report("").stdout)
    let line = try #require(page.text("pre").split(separator: "\n").first { $0.hasPrefix("gx-train ") })
    let command = line.replacing("MODEL < STREAM", with: "again.safetensors -q -j 1 < galaxies.tar > /dev/null")
    let run = shell(
      "\(command); gx-model show --json galaxy.safetensors > a; gx-model show --json again.safetensors | cmp a -")
    #expect(run.status == 0, "\(line)\n\(run.stderr)")
    #expect(page.text("td").contains(try #require(digest())))
  }

  private func digest() -> String? {
    let card = try? JSONSerialization.jsonObject(with: shell("gx-model show --json galaxy.safetensors").stdout)
    return (card as? [String: Any])?["digest"] as? String
  }

  @Test func scoresAreThoseOfGxEval() throws {
    let page = try Page(report("").stdout)
    let scores = shell("gx-cat --split test galaxies.tar | gx-infer -q -m galaxy.safetensors | gx-eval")
    let line = try #require(scores.lines.first { $0.hasPrefix("accuracy") }).split(separator: " ")
    let accuracy = try #require(Double(line[1]))
    #expect(page.texts["td"]!.contains(String(format: "%.3f", accuracy)))
    #expect(page.text("p").contains("test pictures"))
  }

  @Test func judgesPredictionsThatAreGiven() throws {
    let made = shell(
      """
      set -e -o pipefail
      gx-cat --split test galaxies.tar | gx-infer -q -m galaxy.safetensors > p.ndjson
      gx-report -q -m galaxy.safetensors -p p.ndjson -o a < galaxies.tar
      gx-report -q -m galaxy.safetensors -o b < galaxies.tar
      grep -c '<img' a; grep -c '<img' b
      """)
    #expect(made.status == 0 && Set(made.lines).count == 1, "\(made.text)\(made.stderr)")
    #expect(try Page(Data(contentsOf: scratch / "a")).text("td").contains("p.ndjson"))
    // Rows whose pictures did not pass by are told without.
    let without = shell(
      "gx-cat --split train galaxies.tar | gx-report -q -m galaxy.safetensors -p p.ndjson")
    #expect(without.status == 0 && without.text.contains("it was not in the stream"))
  }

  @Test func labelsThatAreProbablyWrongAreShown() throws {
    // Out-of-fold rows that are sure of their labels, but for one.
    let rows = (0..<20).map { i in
      let (label, other) = i % 2 == 0 ? ("elliptical", "spiral") : ("spiral", "elliptical")
      return #"{"id":"g\#(i)","label":"\#(label)","probabilities":{"\#(label)":\#(i == 6 ? 0.05 : 0.9),"#
        + #""\#(other)":\#(i == 6 ? 0.95 : 0.1)}}"# + "\n"
    }
    try Data(rows.joined().utf8).write(to: scratch / "folds.ndjson")
    let page = try Page(report("-n 3 --out-of-fold folds.ndjson").stdout)
    #expect(page.texts["h2"]!.contains("Labels that are probably wrong"))
    #expect(page.texts["bdi"]!.contains("g6") && page.text("p").contains("p(label) less p(spiral): -0.90"))
  }

  @Test func limitsHold() throws {
    let (few, none) = (try Page(report("-n 2").stdout), try Page(report("-n 0").stdout))
    #expect(few.count("article") == none.count("article") + 2)
    #expect(!none.texts["h2"]!.contains("Its most confident mistakes"))
  }

  /// Names come from anywhere: in the page they are text, and no more.
  @Test func namesAreNoMarkup() throws {
    let bars = Bars(40)
    let evil = #"</b></script><script>alert(1)</script><img src=x onerror='alert(2)'>&\"\u0000\u202e"#
    let rows = (0..<40).map { i in
      #"{"id":"\#(evil)\#(i)","label":"\#(i % 4 < 2 ? evil : "v")","split":"\#(i < 24 ? "train" : "test")"}"# + "\n"
    }
    try Data(rows.joined().utf8).write(to: bars.scratch / "rows.ndjson")
    let run = bars.shell(
      """
      set -e -o pipefail
      gx-cat --meta rows.ndjson pixels.npy | gx-normalize > evil.tar
      gx-train -q -j 1 --epochs 1 --batch 8 --hold-out 0 -o m.safetensors < evil.tar > log
      gx-report -q -m m.safetensors --log log --title '<script>alert(3)</script>' < evil.tar
      """)
    #expect(run.status == 0, "\(run.stderr)")
    let page = try Page(run.stdout)
    #expect(page.count("script") == 0 && page.text("h1") == "<script>alert(3)</script>")
    #expect(page.elements.allSatisfy { $0.attributes["onerror"] == nil })
    #expect(page.text("bdi").contains("</b></script><script>alert(1)</script><img src=x onerror="))
  }

  @Test func whatCannotBeReportedIsSaid() throws {
    let train = shell("gx-cat --split train galaxies.tar | gx-report -q -m galaxy.safetensors -o r.html")
    #expect(train.status == 1 && train.stdout.isEmpty)
    #expect(train.stderr.contains("no labelled record of split test or val"))
    #expect(!FileManager.default.fileExists(atPath: (scratch / "r.html").path))
    let asked = shell("gx-cat --split train galaxies.tar | gx-report -q -m galaxy.safetensors --split train")
    #expect(asked.status == 0 && asked.text.contains("It learnt from these pictures"))
    let validated = shell("gx-cat --split train,val galaxies.tar | gx-report -q -m galaxy.safetensors")
    #expect(validated.status == 0 && validated.text.contains("the best epoch was chosen"))
    #expect(report("--split nowhere").stderr.contains("no labelled record of split nowhere"))
    #expect(report("--log galaxies.tar").status == 1)
    #expect(report("-n 101").status == 2)
  }

  @Test func aModelThatCannotExplainIsReportedWithoutPictures() {
    let run = shell(
      """
      set -e -o pipefail
      gx-infer -q --features -m galaxy.safetensors < galaxies.tar > features.tar
      gx-train -q -j 1 --arch linear --epochs 2 -o head.safetensors < features.tar > /dev/null
      gx-report -q -m head.safetensors < features.tar
      """)
    #expect(run.status == 0 && run.text.contains("No pictures: "), "\(run.stderr)")
  }
}
