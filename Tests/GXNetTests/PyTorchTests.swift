import GXCore
import Testing

@testable import GXGraph
@testable import GXNet

/// Layers, gradients and a training run against PyTorch's (f64 for the layers).
@Suite struct PyTorchTests {
  static let golden = Golden.torch
  static let cases = golden.graphs.map(\.key).filter { $0 != "adam" }
  static let tolerance = 1e-4

  @Test func everyOperationHasACase() throws {
    var seen = Set<String>()
    for name in Self.cases { for node in try Self.golden.graph(name).nodes { seen.insert(node.operation.name) } }
    let all = ["conv", "batch_norm", "max_pool", "avg_pool", "global_avg_pool", "add", "mul", "linear"]
    #expect(seen.isSuperset(of: all + Activation.allCases.map(\.rawValue)))
  }

  @Test(arguments: cases) func layers(_ name: String) throws {
    let golden = Self.golden
    let graph = try golden.graph(name)
    let input = try golden.tensor("\(name)/input")
    let network = try Network(graph: graph, batch: input.shape[0], training: true)
    try network.load(golden.tensors("\(name)/weight/"))
    network.setInput(input)

    func check(_ what: String, _ values: [Float], _ key: String) throws {
      let error = relativeError(values, try golden.tensor("\(name)/\(key)").floats())
      #expect(error <= Self.tolerance, "\(name): \(what) is off by \(error)")
    }
    try check("result", Array(network.forward()), "logits")
    try golden.tensor("\(name)/dlogits").floats().withUnsafeBufferPointer { try network.backward($0) }
    let gradients = try network.gradients()
    #expect(Set(gradients.keys) == Set(try golden.tensors("\(name)/gradient/").keys))
    for (weight, gradient) in gradients { try check("gradient of \(weight)", gradient, "gradient/\(weight)") }
    for array in network.state {
      try check(array.name, array.plain(.init(array.values)).floats(), "after/\(array.name)")
    }

    let inference = try Network(graph: graph, batch: input.shape[0], training: false)
    let weights = try network.weights()
    try inference.load(Dictionary(uniqueKeysWithValues: weights.map { ($0.name, $0.tensor) }))
    inference.setInput(input)
    try check("inference", Array(inference.forward()), "eval")
  }

  /// Ten steps of Adam on a residual network give PyTorch's losses.
  @Test func trainingRun() throws {
    let golden = Self.golden
    let targets = try golden.tensor("adam/targets").floats().map { Int($0) }
    let classes = 4
    var oneHot = [Float](repeating: 0, count: targets.count * classes)
    for (row, target) in targets.enumerated() { oneHot[row * classes + target] = 1 }

    let network = try Network(graph: golden.graph("adam"), batch: targets.count, training: true)
    try network.load(golden.tensors("adam/weight/"))
    network.setInput(try golden.tensor("adam/input"))
    var optimizer = ReferenceAdam(network.parameters)
    var gradient = [Float](repeating: 0, count: oneHot.count)
    var losses: [Float] = []
    for _ in 0..<10 {
      let logits = try network.forward()
      losses.append(
        Float(
          oneHot.withUnsafeBufferPointer { targets in
            gradient.withUnsafeMutableBufferPointer {
              Loss.crossEntropy(logits, targets: targets, classes: classes, gradient: $0)
            }
          }))
      try gradient.withUnsafeBufferPointer { try network.backward($0) }
      optimizer.step()
    }
    let error = relativeError(losses, try golden.tensor("adam/losses").floats())
    #expect(error <= 1e-3, "losses \(losses) are off by \(error)")
  }
}

/// Adam as published (Kingma & Ba 2015), for the tests.
struct ReferenceAdam {
  let parameters: [Parameter]
  let rate: Float
  private var mean: [[Float]]
  private var square: [[Float]]
  private var steps = 0

  init(_ parameters: [Parameter], rate: Float = 1e-3) {
    (self.parameters, self.rate) = (parameters, rate)
    mean = parameters.map { [Float](repeating: 0, count: $0.values.count) }
    square = mean
  }

  mutating func step() {
    steps += 1
    var (b1, b2): (Float, Float) = (1, 1)
    for _ in 0..<steps { (b1, b2) = (b1 * 0.9, b2 * 0.999) }
    for (p, parameter) in parameters.enumerated() {
      for i in parameter.values.indices {
        let g = parameter.gradient[i]
        mean[p][i] = 0.9 * mean[p][i] + 0.1 * g
        square[p][i] = 0.999 * square[p][i] + 0.001 * g * g
        parameter.values[i] -= rate * (mean[p][i] / (1 - b1)) / ((square[p][i] / (1 - b2)).squareRoot() + 1e-8)
      }
    }
  }
}
