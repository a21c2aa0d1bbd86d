import GXCore
import GXImage
import GXInfer
import GXMetrics
import GXModel

/// Pictures with what was said of them, and where in them the evidence for it lies.
struct Gallery {
  /// The longer side of a picture, in pixels.
  static let side = 176
  private static let quality = 85

  /// nil where the model has no layer to explain by.
  private let explainer: Explainer?
  /// Why there are no pictures, if there are none.
  let fault: String?

  init(_ model: Model, assuming assumed: Provenance.Assumption?) {
    do {
      explainer = try Explainer([model], assuming: assumed, views: .one, calibration: .none)
      fault = nil
    } catch {
      explainer = nil
      fault = "\(error)"
    }
  }

  /// A card for each finding.
  func cards(_ findings: [Finding]) -> HTML {
    "<div class=\"cards\">\n\(findings.map(card))</div>\n"
  }

  private func card(_ finding: Finding) -> HTML {
    let name = clipped(finding.key?.description ?? "no id")
    let predicted = finding.prediction
    var body = pictures(finding, name)
    body += "<h3><bdi>\(name)</bdi></h3>\n"
    body +=
      finding.label.hasSameBytes(as: predicted)
      ? "<p>rightly <b>\(clipped(predicted))</b></p>\n"
      : "<p>labelled <b>\(clipped(finding.label))</b>, taken for <b>\(clipped(predicted))</b></p>\n"
    if !finding.remark.isEmpty { body += "<p class=\"muted\">\(finding.remark)</p>\n" }
    let likeliest = finding.probabilities.sorted { $0.value > $1.value }.prefix(3)
    var bars: HTML = ""
    for (name, p) in likeliest {
      bars += """
        <tr><td>\(clipped(name))</td><td class="bar"><span style="width:\(fixed(100 * p, 1))%"></span></td>\
        <td class="n">\(percent(p))</td></tr>

        """
    }
    if !likeliest.isEmpty { body += "<table class=\"bars\"><tbody>\n\(bars)</tbody></table>\n" }
    return "<article>\n\(body)</article>\n"
  }

  /// The picture as the network sees it, and over it the evidence for the class predicted and for that of the label.
  private func pictures(_ finding: Finding, _ name: String) -> HTML {
    guard let explainer else { return "" }
    guard let record = finding.record, let tensor = record.tensor else {
      return "<p class=\"muted\">No picture: it was not in the stream.</p>\n"
    }
    do {
      let steps = try explainer.steps(for: record)
      let seen = try enlarged(explainer.seen(tensor, after: steps))
      var figures = try figure(seen, alt: "\(name) as the network sees it", caption: "picture")
      var classes = [finding.prediction]
      if !finding.label.hasSameBytes(as: classes[0]) { classes.append(finding.label) }
      for name in classes where explainer.classes.contains(name: name) {
        let map = try explainer.explain(tensor, after: steps, class: name).map
        let isEmpty = map.floats().allSatisfy { $0 == 0 }
        figures += try figure(
          Image.overlay(map, over: seen, opacity: isEmpty ? 0.25 : 0.5),
          alt: isEmpty
            ? "no place speaks for \(clipped(name))"
            : "brightest where the evidence for \(clipped(name)) lies, \(Self.place(of: map))",
          caption: isEmpty ? "nothing for \(clipped(name))" : "for \(clipped(name))")
      }
      return "<div class=\"pictures\">\n\(figures)</div>\n"
    } catch {
      return "<p class=\"muted\">No picture: \(clipped("\(error)", 200))</p>\n"
    }
  }

  private func figure(_ picture: Tensor, alt: String, caption: String) throws -> HTML {
    let data = try Image.encodeJPEG(picture, quality: Self.quality)
    let (width, height) = (picture.shape[1], picture.shape[0])
    return """
      <figure><img src="data:image/jpeg;base64,\(String(decoding: base64(data), as: UTF8.self))" width="\(width)" height="\(height)" alt="\(alt)" />\
      <figcaption>\(caption)</figcaption></figure>

      """
  }

  private func enlarged(_ picture: Tensor) throws -> Tensor {
    let (height, width) = (picture.shape[0], picture.shape[1])
    let scale = Double(Self.side) / Double(max(height, width))
    func length(_ n: Int) -> Int { max(1, Int((Double(n) * scale).rounded())) }
    return try Resize(width: length(width), height: length(height), filter: .bicubic).apply(picture)
  }

  /// Where in a map its centre of mass lies, in words.
  private static func place(of map: Tensor) -> String {
    let (height, width) = (map.shape[0], map.shape[1])
    let values = map.floats().map(Double.init)
    let total = values.reduce(0, +)
    var (x, y) = (0.0, 0.0)
    for (i, value) in values.enumerated() {
      x += value / total * (Double(i % width) + 0.5) / Double(width)
      y += value / total * (Double(i / width) + 0.5) / Double(height)
    }
    func word(_ place: Double, _ low: String, _ high: String) -> String {
      place < 0.4 ? low : place > 0.6 ? high : ""
    }
    let words = [word(y, "upper", "lower"), word(x, "left", "right")].filter { !$0.isEmpty }
    return words.isEmpty ? "around the centre" : "towards the " + words.joined(separator: " ")
  }
}

/// The beginning of a text that may be of any length.
func clipped(_ text: String, _ limit: Int = 60) -> String {
  text.count > limit ? text.prefix(limit) + "…" : text
}

func percent(_ share: Double) -> String { fixed(100 * share, 1) + " %" }
