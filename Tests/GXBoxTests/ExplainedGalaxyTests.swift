import GXBox
import GXCore
import GXImage
import GXInfer
import GXModel
import GXNet
import GXStream
import GXSynth
import Testing

/// The model in the box tells where in a rendered galaxy it sees its classes.
@Suite struct ExplainedGalaxyTests {
  static let galaxies = try! (0..<8).map { try Survey(seed: 5, size: 160).galaxy($0).picture }

  func steps(_ model: Model) throws -> [[any PixelStep]] {
    try Explainer([model]).steps(for: Record(id: "galaxy", tensor: Self.galaxies[0]))
  }

  @Test func galaxiesHaveMaps() throws {
    let model = try Model.inTheBox()
    let (explainer, classifier) = (
      try Explainer([model], views: .one, calibration: .none), try Classifier(model, views: .one)
    )
    let steps = try steps(model)
    #expect(explainer.node == "bn2.act" && explainer.method == .gradCAM)
    for galaxy in Self.galaxies {
      let result = try explainer.explain(galaxy, after: steps)
      let expected = try classifier.classify(galaxy, after: steps[0])
      #expect(result.explained == expected.name && result.prediction.logits == expected.logits)
      let map = result.map.floats()
      #expect(result.map.shape == [5, 5, 1] && map.max() == 1 && map.allSatisfy { (0...1).contains($0) })
      let seen = try explainer.seen(galaxy, after: steps)
      #expect(seen.shape == model.input && seen.dtype == .u8)
      #expect(try Image.overlay(result.map, over: seen, opacity: 0.5).shape == model.input)
    }
  }

  @Test func eachClassHasItsOwnMap() throws {
    let model = try Model.inTheBox()
    let explainer = try Explainer([model])
    let steps = try steps(model)
    let results = try model.classes.map { try explainer.explain(Self.galaxies[0], after: steps, class: $0) }
    #expect(results.map(\.explained) == model.classes)
    for a in 0..<4 { for b in 0..<a { #expect(results[a].map != results[b].map) } }
    #expect(Set(results.map { $0.prediction.name }).count == 1)
  }

  /// A map that is drawn from the picture's edges alone would survive other weights (Adebayo et al. 2018).
  @Test(arguments: [Explainer.Method.gradCAM, .cam(.hiResCAM)]) func mapsFollowTheWeights(_ method: Explainer.Method)
    throws
  {
    let model = try Model.inTheBox()
    let steps = try steps(model)
    var other = model
    var random = Random(seed: 9)
    other.weights = try model.graph.initialWeights(random: &random)
    func maps(_ model: Model) throws -> [[Float]] {
      let explainer = try Explainer([model], method: method)
      return try Self.galaxies.map { try explainer.explain($0, after: steps, class: "spiral").map.floats() }
    }
    let mean = zip(try maps(model), try maps(other)).map(correlation).reduce(0, +) / Double(Self.galaxies.count)
    #expect(abs(mean) < 0.5, "maps of trained and of random weights correlate by \(mean)")
  }

  /// Pearson's; 0 where a map is even.
  private func correlation(_ a: [Float], _ b: [Float]) -> Double {
    func centred(_ values: [Float]) -> [Double] {
      let mean = values.reduce(0) { $0 + Double($1) } / Double(values.count)
      return values.map { Double($0) - mean }
    }
    func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    let (x, y) = (centred(a), centred(b))
    let norms = (dot(x, x) * dot(y, y)).squareRoot()
    return norms > 0 ? dot(x, y) / norms : 0
  }
}
