import GXCore
import GXGraph
import GXNet
import TestSupport
import Testing

@testable import GXTrain

@Suite struct OptimizerTests {
  /// A dense layer of 3 x 5 weights and 3 biases, in whatever layout oneDNN likes best.
  let network: Network

  init() throws {
    var graph = try Graph(input: [1, 1, 5])
    try graph.add("pool", .globalAveragePool)
    try graph.add("dense", .linear(features: 3))
    network = try Network(graph: graph, batch: 1, training: true, threads: 1)
  }

  func load(_ values: [Float]) throws {
    try network.load([
      "dense.weight": Tensor([3, 5], Array(values[..<15])), "dense.bias": Tensor([3], Array(values[15...])),
    ])
  }

  func setGradient(_ values: [Float]) throws {
    for parameter in network.parameters {
      let plain =
        parameter.name == "dense.weight"
        ? try Tensor([3, 5], Array(values[..<15])) : try Tensor([3], Array(values[15...]))
      try parameter.native(from: plain, into: parameter.gradient)
    }
  }

  var weights: [Float] { get throws { try network.weights().flatMap { $0.tensor.floats() } } }

  @Test(arguments: [
    ("sgd", UpdateRule(named: "sgd")!, nil), ("nesterov", UpdateRule(named: "sgd", nesterov: true)!, nil),
    ("adam", UpdateRule(named: "adam")!, nil), ("adamw", UpdateRule(named: "adamw")!, nil),
    ("clipped", UpdateRule(named: "adamw")!, 2),
  ]) func isPyTorchs(name: String, rule: UpdateRule, clip: Double?) throws {
    let run = try #require(golden("optimizers.json")[name]?.objectValue)
    try load(run["start"]!.floats)
    let optimizer = Optimizer(rule, weightDecay: 0.01, clip: clip, parameters: network.parameters)
    for (gradient, wanted) in zip(run["gradients"]!.arrayValue!, run["weights"]!.arrayValue!) {
      try setGradient(gradient.floats)
      optimizer.step(learningRate: 0.1)
      for (ours, theirs) in zip(try weights, wanted.floats) {
        #expect(abs(ours - theirs) <= 2e-6 * max(1, abs(theirs)), "step \(optimizer.steps)")
      }
    }
    #expect(optimizer.steps == 10)
  }

  @Test func sharpnessAwareStepsArePytorchOptimizers() throws {
    let run = try golden("sam.json")
    try load(run["start"]!.floats)
    let curvature = run["curvature"]!.floats
    let optimizer = Optimizer(UpdateRule(named: "adamw")!, weightDecay: 0.01, parameters: network.parameters)
    let sharpness = Sharpness(radius: run["radius"]!.doubleValue!, of: network)
    func differentiate() throws { try setGradient(zip(curvature, weights).map(*)) }
    for wanted in run["weights"]!.arrayValue! {
      try differentiate()
      let before = try weights
      try sharpness.atTheWorst(gradientNorm: optimizer.gradientNorm, differentiate)
      #expect(try weights == before, "bit by bit")
      optimizer.step(learningRate: 0.1)
      for (ours, theirs) in zip(try weights, wanted.floats) {
        #expect(abs(ours - theirs) <= 2e-6 * max(1, abs(theirs)), "step \(optimizer.steps)")
      }
    }
    // Where there is no slope, there is no worst place.
    try setGradient([Float](repeating: 0, count: 18))
    let before = try weights
    var worst: [Float] = []
    try sharpness.atTheWorst(gradientNorm: optimizer.gradientNorm) { worst = try weights }
    #expect(worst == before)
  }

  @Test(arguments: ["sgd", "adam", "adamw"]) func goesOnFromItsState(name: String) throws {
    let rule = UpdateRule(named: name)!
    let gradients = try #require(golden("optimizers.json")["adam"]?.objectValue?["gradients"]?.arrayValue).map(\.floats)
    let start = [Float](repeating: 0.5, count: 18)
    try load(start)
    let whole = Optimizer(rule, weightDecay: 0.01, parameters: network.parameters)
    var state: [(name: String, tensor: Tensor)] = []
    var middle: [Float] = []
    for (i, gradient) in gradients.enumerated() {
      if i == 5 {
        state = try whole.state
        middle = try weights
      }
      try setGradient(gradient)
      whole.step(learningRate: 0.1)
    }
    let wanted = try weights
    try load(middle)
    let rest = Optimizer(rule, weightDecay: 0.01, parameters: network.parameters)
    try rest.restore(steps: 5) { name in try #require(state.first { $0.name == name }).tensor }
    for gradient in gradients[5...] {
      try setGradient(gradient)
      rest.step(learningRate: 0.1)
    }
    #expect(try weights == wanted, "bit by bit")
  }

  @Test func theNormIsOfAllGradients() throws {
    try setGradient([Float](repeating: 2, count: 18))
    let optimizer = Optimizer(UpdateRule(named: "sgd")!, parameters: network.parameters)
    #expect(abs(optimizer.gradientNorm - (18 * 4).squareRoot()) < 1e-9)
  }

  /// From the formula: a_t = k a_(t-1) + (1 - k) w_t, with k = min(decay, (1 + t) / (10 + t)).
  @Test func theAverageFollowsTheWeights() throws {
    try load([Float](repeating: 0, count: 18))
    let average = WeightAverage(decay: 0.5, of: network.parameters)
    var wanted = 0.0
    for t in 1...20 {
      try load([Float](repeating: Float(t), count: 18))
      average.update(step: t)
      let keep = min(0.5, Double(1 + t) / Double(10 + t))
      wanted = keep * wanted + (1 - keep) * Double(t)
    }
    for (name, tensor) in try average.weights(in: network.weights()) {
      #expect(tensor.floats().allSatisfy { abs(Double($0) - wanted) < 1e-4 }, "\(name)")
    }
  }
}
