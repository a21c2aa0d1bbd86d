import Foundation
import GXCore
import GXImage
import GXMetrics
import GXModel
import GXNet
import GXStream
import TestSupport
import Testing

@testable import GXInfer

@Suite struct EnsembleTests {
  let unit: JSON = ["op": "normalize", "method": "unit", "dtype": "f32"]
  let pictures = try! (0..<6).map { i in try Tensor([4, 4, 1], (0..<16).map { Float(($0 * $0 + 7 * i) % 11) / 11 }) }

  /// A small network with weights that `seed` draws and logits that are wide apart.
  func model(_ seed: UInt64, classes: [String] = ["x", "y", "z"], ops: [JSON]? = nil) throws -> Model {
    let graph = try smallGraph([4, 4, 1], classes: 3)
    var random = Random(seed: seed)
    let weights = try graph.initialWeights(random: &random).map { name, tensor in
      (name, try Tensor(tensor.shape, tensor.floats().map { $0 * 3 }))
    }
    return Model(graph: graph, classes: classes, input: [4, 4, 1], ops: ops ?? [unit], training: [:], weights: weights)
  }

  func classify(_ ensemble: Ensemble, _ picture: Tensor) throws -> GXInfer.Prediction {
    try ensemble.classify(picture, after: ensemble.steps(for: record("r", ops: [unit], tensor: picture)))
  }

  @Test func theOrderOfModelsIsNoMatter() throws {
    let models = try [model(1), model(2), model(3), model(4, classes: ["z", "x", "y"])]
    let orders = [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]]
    let ensembles = try orders.map { try Ensemble($0.map { models[$0] }) }
    #expect(ensembles.allSatisfy { $0.classes == ["x", "y", "z"] && $0.name == ensembles[0].name })
    for picture in pictures {
      let results = try ensembles.map { try classify($0, picture) }
      for result in results {
        #expect(result.logits == results[0].logits && result.probabilities == results[0].probabilities)
        #expect(result.disagreement!.entropy == results[0].disagreement!.entropy)
        #expect(result.disagreement!.mutualInformation == results[0].disagreement!.mutualInformation)
      }
    }
  }

  @Test func theSameModelSeveralTimesIsTheModel() throws {
    let (one, many) = (try Ensemble([model(5)]), try Ensemble([model(5), model(5), model(5)]))
    for picture in pictures {
      let (single, several) = (try classify(one, picture), try classify(many, picture))
      #expect(zip(single.probabilities, several.probabilities).allSatisfy { abs($0 - $1) < 1e-6 })
      #expect(single.ranking == several.ranking && single.disagreement == nil)
      #expect(several.disagreement!.mutualInformation < 1e-6)
    }
  }

  /// Probabilities are the mean of the members', and so no worse for any truth than the members on average (Jensen).
  @Test func averagesProbabilitiesByName() throws {
    let models = try [model(1), model(2, classes: ["z", "x", "y"]), model(3)]
    let ensemble = try Ensemble(models)
    var differ = false
    for picture in pictures {
      let result = try classify(ensemble, picture)
      let members = try models.map { try Classifier($0).classify(picture, after: []).probabilities }
      for (c, name) in ensemble.classes.enumerated() {
        let each = zip(models, members).map { Double($1[$0.classes.firstIndex(of: name)!]) }
        #expect(abs(Double(result.probabilities[c]) - each.reduce(0, +) / 3) < 1e-6)
        #expect(-log(Double(result.probabilities[c])) <= each.reduce(0) { $0 - log($1) } / 3 + 1e-6)
        differ = differ || each.max()! - each.min()! > 0.2
      }
      let doubt = result.disagreement!
      #expect(doubt.mutualInformation >= 0 && doubt.mutualInformation <= doubt.entropy && doubt.entropy <= log(3))
    }
    #expect(differ, "the members differ, or this tests nothing")
  }

  @Test func ranksEqualsInTheOrderOfTheClasses() throws {
    let result = try GXInfer.Prediction(classes: ["x", "y", "z"], members: [[0.5, 2, 0.5]])
    #expect(result.ranking == [1, 0, 2] && result.likeliest == 1 && result.confidence == result.probabilities[1])
  }

  @Test func disagreementByHand() {
    let sure: [[Float]] = [[0, -100], [-100, 0]]
    let contrary = GXInfer.Prediction.Disagreement(mean: logMeanProbabilities(sure), members: sure)
    #expect(abs(contrary.entropy - log(2)) < 1e-7 && abs(contrary.mutualInformation - log(2)) < 1e-7)
    let unsure: [[Float]] = [[3, 3], [-1, -1]]
    let agreed = GXInfer.Prediction.Disagreement(mean: logMeanProbabilities(unsure), members: unsure)
    #expect(abs(agreed.entropy - log(2)) < 1e-7 && agreed.mutualInformation < 1e-7)
  }

  @Test func eachModelFinishesItsOwnPreparation() throws {
    let crop: JSON = ["op": "crop", "width": 4, "height": 4]
    let standard: JSON = ["op": "normalize", "method": "standard", "mean": [0.5], "std": [0.25], "dtype": "f32"]
    let models = try [model(1, ops: [crop, unit]), model(2, ops: [crop, standard])]
    let ensemble = try Ensemble(models)
    let raw = try record(
      "r", ops: [], tensor: Tensor(.u8, [6, 6, 1]) { out in for i in 0..<36 { out[i] = UInt8(i * 7) } })
    let result = try ensemble.classify(raw.tensor!, after: ensemble.steps(for: raw))
    let members = try models.map { model in
      let classifier = try Classifier(model)
      return try classifier.classify(raw.tensor!, after: classifier.steps(for: raw)).probabilities
    }
    #expect((0..<3).allSatisfy { abs(result.probabilities[$0] - (members[0][$0] + members[1][$0]) / 2) < 1e-6 })
    // Prepared for the first alone: the second cannot take it.
    let half = try record("h", ops: [crop, unit], tensor: pictures[0])
    #expect(message { _ = try ensemble.steps(for: half) }.contains("was prepared otherwise"))
  }

  @Test func refusesOtherClasses() throws {
    #expect(
      message { _ = try Ensemble([model(1), model(2, classes: ["x", "y", "w"])]) }
        == "models of an ensemble must have the same classes: x, y, z; x, y, w")
  }

  @Test func turnedViewsAreAveragedToo() throws {
    let model = try model(3)
    let result = try classify(Ensemble([model], views: .rotations(5)), pictures[2])
    let views = try Rotation.views(of: pictures[2], count: 5).map { try Classifier(model).classify($0, after: []) }
    for c in 0..<3 { #expect(abs(result.probabilities[c] - views.reduce(0) { $0 + $1.probabilities[c] } / 5) < 1e-6) }
    #expect(result.disagreement!.mutualInformation > 1e-6 && result.disagreement!.entropy <= log(3))
    for text in ["none", "dihedral", "rotations:2", "rotations:64"] { #expect(Views(rawValue: text)?.rawValue == text) }
    for text in ["", "rotations", "rotations:1", "rotations:65", "rotations:x", "rotations:3:3"] {
      #expect(Views(rawValue: text) == nil, "\(text)")
    }
  }
}

@Suite struct CalibratedTests {
  let ensembles = EnsembleTests()
  var pictures: [Tensor] { ensembles.pictures }

  func calibration(_ scaling: LogitScaling, threshold: Double = 0.5) -> Calibration {
    Calibration(
      classes: ["x", "y", "z"], scaling: scaling,
      conformal: ConformalSets(score: .lac, coverage: 0.9, threshold: threshold),
      abstention: Abstention(precision: 0.9, threshold: threshold))
  }

  @Test(arguments: [0.01, 0.5, 3, 1000]) func aTemperatureChangesProbabilitiesAlone(_ temperature: Double) throws {
    var model = try ensembles.model(1)
    let plain = try Ensemble([model])
    model.calibration = calibration(.temperature(temperature))
    let calibrated = try Ensemble([model])
    for picture in pictures {
      let (a, b) = (try ensembles.classify(plain, picture), try ensembles.classify(calibrated, picture))
      #expect(a.logits == b.logits && a.ranking == b.ranking && a.set == nil && a.isUncertain == nil)
      let expected = softmax(a.logits.map { Double($0) / temperature })
      #expect(zip(b.probabilities, expected).allSatisfy { abs(Double($0) - $1) < 1e-7 })
      #expect(b.set == b.ranking.filter { expected[$0] >= 0.5 } && b.isUncertain == (expected.max()! < 0.5))
      #expect(try ensembles.classify(Ensemble([model], calibration: .none), picture).probabilities == a.probabilities)
    }
  }

  @Test func classesAreMetByName() throws {
    let model = try ensembles.model(1)
    let vector = Calibration(classes: ["z", "x", "y"], scaling: .vector(scale: [3, 1, 2], bias: [1, -1, 0]))
    let ensemble = try Ensemble([model], calibration: .given(vector))
    #expect(ensemble.calibration?.scaling == .vector(scale: [1, 2, 3], bias: [-1, 0, 1]))
    let other = Calibration(classes: ["x", "y"], scaling: .temperature(2))
    #expect(message { _ = try Ensemble([model], calibration: .given(other)) }.contains("is of the classes x, y, not"))
  }

  @Test func belongsToWhatItWasMadeFor() throws {
    var model = try ensembles.model(1)
    let second = try ensembles.model(2)
    var fitted = calibration(.temperature(2))
    fitted.classifier = ClassifierName([.init(model, .one), .init(second, .one)])
    #expect(ClassifierName(fitted.classifier!.text) == fitted.classifier)
    #expect(try Ensemble([second, model], calibration: .given(fitted)).calibration == fitted)
    for (models, views) in [([model], Views.one), ([model, model], .one), ([model, second], .dihedral)] {
      #expect(
        message { _ = try Ensemble(models, views: views, calibration: .given(fitted)) }
          .contains("the calibration was made for the classifier"))
    }
    fitted.classifier = ClassifierName([.init(model, .one)])
    model.calibration = fitted
    #expect(try Ensemble([model]).calibration != nil)
    #expect(try Ensemble([model, second]).calibration == nil, "a member's own says nothing of the mean")
    #expect(
      message { _ = try Ensemble([model], views: .dihedral) }
        == "the model is calibrated for --tta none, not dihedral; --calibration none does without")
    #expect(try Ensemble([model], views: .dihedral, calibration: .none).calibration == nil)
  }
}
