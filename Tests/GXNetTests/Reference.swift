import GXCore
import GXGraph
import Glibc

@testable import GXNet

/// Every layer and its gradient, plainly: f64, NHWC, one loop an index, straight from the definitions.
struct Reference {
  let graph: Graph
  let batch: Int
  /// By name, in plain layout; running statistics change in training.
  var weights: [String: [Double]]
  private(set) var gradients: [String: [Double]] = [:]
  private var values: [Int: [Double]] = [:]
  /// Batch statistics of each batch normalisation.
  private var statistics: [Int: (mean: [Double], variance: [Double])] = [:]

  init(_ graph: Graph, batch: Int, weights: [(name: String, tensor: Tensor)]) {
    (self.graph, self.batch) = (graph, batch)
    self.weights = [:]
    for (name, tensor) in weights { self.weights[name] = tensor.floats().map(Double.init) }
  }

  mutating func forward(_ input: [Float], training: Bool) -> [Double] {
    values[-1] = input.map(Double.init)
    for place in graph.nodes.indices { values[place] = result(place, training: training) }
    return values[graph.nodes.count - 1]!
  }

  /// After `forward`.
  func value(of place: Int) -> [Double] { values[place]! }

  /// The result in inference where node `place` has another value, after an inference `forward`.
  func forward(replacing place: Int, by value: [Double]) -> [Double] {
    var copy = self
    copy.values[place] = value
    for later in (place + 1)..<graph.nodes.count { copy.values[later] = copy.result(later, training: false) }
    return copy.values[graph.nodes.count - 1]!
  }

  /// After a training `forward`.
  mutating func backward(_ logitsGradient: [Float]) {
    var flow: [Int: [Double]] = [graph.nodes.count - 1: logitsGradient.map(Double.init)]
    for place in graph.nodes.indices.reversed() {
      let parts = sourceGradients(place, flow[place]!)
      for (input, part) in zip(graph.nodes[place].inputs, parts) {
        flow[input] = flow[input].map { zip($0, part).map(+) } ?? part
      }
    }
  }

  // MARK: Windows

  /// A picture batch's sizes, and where its elements lie. A vector is a picture of one place.
  private struct Sizes {
    let (height, width, channels): (Int, Int, Int)
    init(_ shape: Shape) {
      (height, width, channels) = shape.count == 3 ? (shape[0], shape[1], shape[2]) : (1, 1, shape[0])
    }
    func at(_ n: Int, _ y: Int, _ x: Int, _ c: Int) -> Int { ((n * height + y) * width + x) * channels + c }
  }

  /// Calls `body` for each sample, place of the result, and place of the kernel that lies inside the source.
  private func slide(
    _ window: Window, _ source: Sizes, _ result: Sizes,
    _ body: (_ n: Int, _ y: Int, _ x: Int, _ ky: Int, _ kx: Int, _ sy: Int, _ sx: Int) -> Void
  ) {
    for n in 0..<batch {
      for y in 0..<result.height {
        for x in 0..<result.width {
          for ky in 0..<window.kernel.height {
            for kx in 0..<window.kernel.width {
              let sy = y * window.stride.height - window.padding.height + ky * window.dilation.height
              let sx = x * window.stride.width - window.padding.width + kx * window.dilation.width
              guard (0..<source.height).contains(sy), (0..<source.width).contains(sx) else { continue }
              body(n, y, x, ky, kx, sy, sx)
            }
          }
        }
      }
    }
  }

  /// Calls `body` for each product of a convolution, with the places of source, weight and result.
  private func convolve(
    _ place: Int, _ window: Window, groups: Int, _ body: (_ source: Int, _ weight: Int, _ result: Int) -> Void
  ) {
    let source = Sizes(graph.shape(of: graph.nodes[place].inputs[0]))
    let result = Sizes(graph.nodes[place].shape)
    let (inputs, outputs) = (source.channels / groups, result.channels / groups)
    slide(window, source, result) { n, y, x, ky, kx, sy, sx in
      for o in 0..<result.channels {
        for i in 0..<inputs {
          let weight = ((o * inputs + i) * window.kernel.height + ky) * window.kernel.width + kx
          body(source.at(n, sy, sx, o / outputs * inputs + i), weight, result.at(n, y, x, o))
        }
      }
    }
  }

  /// The source's places in the order in which a linear layer reads them: channel, row, column.
  private func flattened(_ shape: Shape) -> [Int] {
    let sizes = Sizes(shape)
    var order: [Int] = []
    for c in 0..<sizes.channels {
      for y in 0..<sizes.height { for x in 0..<sizes.width { order.append(sizes.at(0, y, x, c)) } }
    }
    return order
  }

  // MARK: Forward

  private mutating func result(_ place: Int, training: Bool) -> [Double] {
    let node = graph.nodes[place]
    let x = values[node.inputs[0]]!
    let sizes = Sizes(graph.shape(of: node.inputs[0]))
    var y = [Double](repeating: 0, count: batch * node.shape.reduce(1, *))
    switch node.operation {
    case .convolution(let channels, let window, let groups, let bias):
      let w = weights["\(node.name).weight"]!
      if bias { for i in y.indices { y[i] = weights["\(node.name).bias"]![i % channels] } }
      convolve(place, window, groups: groups) { s, k, d in y[d] += x[s] * w[k] }
    case .linear(let features, let bias):
      let (w, order) = (weights["\(node.name).weight"]!, flattened(graph.shape(of: node.inputs[0])))
      for n in 0..<batch {
        for f in 0..<features {
          var sum = bias ? weights["\(node.name).bias"]![f] : 0
          for (i, s) in order.enumerated() { sum += w[f * order.count + i] * x[n * order.count + s] }
          y[n * features + f] = sum
        }
      }
    case .batchNorm(let epsilon, let momentum):
      let (c, count) = (sizes.channels, Double(x.count / sizes.channels))
      var mean = weights["\(node.name).running_mean"]!
      var variance = weights["\(node.name).running_var"]!
      if training {
        var (sum, squares) = ([Double](repeating: 0, count: c), [Double](repeating: 0, count: c))
        for i in x.indices { sum[i % c] += x[i] / count }
        for i in x.indices { squares[i % c] += (x[i] - sum[i % c]) * (x[i] - sum[i % c]) / count }
        for i in 0..<c {
          mean[i] += momentum * (sum[i] - mean[i])
          variance[i] += momentum * (squares[i] * count / (count - 1) - variance[i])
        }
        weights["\(node.name).running_mean"] = mean
        weights["\(node.name).running_var"] = variance
        (mean, variance) = (sum, squares)
        statistics[place] = (mean, variance)
      }
      let (scale, shift) = (weights["\(node.name).weight"]!, weights["\(node.name).bias"]!)
      for i in x.indices {
        y[i] = (x[i] - mean[i % c]) / (variance[i % c] + epsilon).squareRoot() * scale[i % c] + shift[i % c]
      }
    case .activation(let activation): y = x.map { function(activation, $0) }
    case .pool(.max, let window):
      y = y.map { _ in -.infinity }
      let result = Sizes(node.shape)
      slide(window, sizes, result) { n, oy, ox, _, _, sy, sx in
        for c in 0..<sizes.channels {
          y[result.at(n, oy, ox, c)] = max(y[result.at(n, oy, ox, c)], x[sizes.at(n, sy, sx, c)])
        }
      }
    case .pool(.average, let window):
      let result = Sizes(node.shape)
      let area = Double(window.kernel.height * window.kernel.width)
      slide(window, sizes, result) { n, oy, ox, _, _, sy, sx in
        for c in 0..<sizes.channels { y[result.at(n, oy, ox, c)] += x[sizes.at(n, sy, sx, c)] / area }
      }
    case .globalAveragePool:
      let area = sizes.height * sizes.width
      for i in x.indices { y[i / (area * sizes.channels) * sizes.channels + i % sizes.channels] += x[i] / Double(area) }
    case .add: y = zip(x, values[node.inputs[1]]!).map(+)
    case .multiply:
      let factor = values[node.inputs[1]]!
      for i in x.indices { y[i] = x[i] * factor[vectorPlace(i, sizes)] }
    case .dropout: y = x
    case .merge(let groups):
      let (parts, classes) = (groups.count, node.shape[0])
      for n in 0..<batch {
        for (i, group) in groups.enumerated() { y[n * classes + group] += exp(x[n * parts + i]) }
      }
      y = y.map(log)
    }
    return y
  }

  private func function(_ activation: Activation, _ x: Double) -> Double {
    switch activation {
    case .relu: max(x, 0)
    case .leakyReLU: x > 0 ? x : 0.01 * x
    case .relu6: min(max(x, 0), 6)
    case .elu: x > 0 ? x : exp(x) - 1
    case .sigmoid: 1 / (1 + exp(-x))
    case .tanh: tanh(x)
    case .silu: x / (1 + exp(-x))
    case .gelu: x * (1 + erf(x / 2.0.squareRoot())) / 2
    case .hardswish: x * min(max(x + 3, 0), 6) / 6
    }
  }

  // MARK: Backward

  /// The gradients of the node's inputs; sets those of its weights.
  private mutating func sourceGradients(_ place: Int, _ dy: [Double]) -> [[Double]] {
    let node = graph.nodes[place]
    let x = values[node.inputs[0]]!
    let sizes = Sizes(graph.shape(of: node.inputs[0]))
    var dx = [Double](repeating: 0, count: x.count)
    switch node.operation {
    case .convolution(let channels, let window, let groups, let bias):
      let w = weights["\(node.name).weight"]!
      var dw = [Double](repeating: 0, count: w.count)
      convolve(place, window, groups: groups) { s, k, d in
        dx[s] += dy[d] * w[k]
        dw[k] += dy[d] * x[s]
      }
      gradients["\(node.name).weight"] = dw
      if bias { gradients["\(node.name).bias"] = sums(dy, channels) }
    case .linear(let features, let bias):
      let (w, order) = (weights["\(node.name).weight"]!, flattened(graph.shape(of: node.inputs[0])))
      var dw = [Double](repeating: 0, count: w.count)
      for n in 0..<batch {
        for f in 0..<features {
          for (i, s) in order.enumerated() {
            dx[n * order.count + s] += dy[n * features + f] * w[f * order.count + i]
            dw[f * order.count + i] += dy[n * features + f] * x[n * order.count + s]
          }
        }
      }
      gradients["\(node.name).weight"] = dw
      if bias { gradients["\(node.name).bias"] = sums(dy, features) }
    case .batchNorm(let epsilon, _):
      let (c, count) = (sizes.channels, Double(x.count / sizes.channels))
      let (mean, variance) = statistics[place]!
      let scale = weights["\(node.name).weight"]!
      let normal = x.indices.map { (x[$0] - mean[$0 % c]) / (variance[$0 % c] + epsilon).squareRoot() }
      let shiftGradient = sums(dy, c)
      let scaleGradient = sums(zip(dy, normal).map(*), c)
      for i in x.indices {
        let k = i % c
        dx[i] =
          scale[k] / (variance[k] + epsilon).squareRoot()
          * (dy[i] - shiftGradient[k] / count - normal[i] * scaleGradient[k] / count)
      }
      gradients["\(node.name).weight"] = scaleGradient
      gradients["\(node.name).bias"] = shiftGradient
    case .activation(let activation):
      // Central differences: independent of the formulas under test.
      for i in x.indices {
        let h = 1e-6
        dx[i] = dy[i] * (function(activation, x[i] + h) - function(activation, x[i] - h)) / (2 * h)
      }
    case .pool(.max, let window):
      let (result, y) = (Sizes(node.shape), values[place]!)
      var given = Set<Int>()
      slide(window, sizes, result) { n, oy, ox, _, _, sy, sx in
        for c in 0..<sizes.channels {
          let (s, d) = (sizes.at(n, sy, sx, c), result.at(n, oy, ox, c))
          if x[s] == y[d], given.insert(d).inserted { dx[s] += dy[d] }
        }
      }
    case .pool(.average, let window):
      let result = Sizes(node.shape)
      let area = Double(window.kernel.height * window.kernel.width)
      slide(window, sizes, result) { n, oy, ox, _, _, sy, sx in
        for c in 0..<sizes.channels { dx[sizes.at(n, sy, sx, c)] += dy[result.at(n, oy, ox, c)] / area }
      }
    case .globalAveragePool:
      let area = sizes.height * sizes.width
      for i in x.indices {
        dx[i] = dy[i / (area * sizes.channels) * sizes.channels + i % sizes.channels] / Double(area)
      }
    case .add: return [dy, dy]
    case .multiply:
      let factor = values[node.inputs[1]]!
      var df = [Double](repeating: 0, count: factor.count)
      for i in x.indices {
        let place = vectorPlace(i, sizes)
        dx[i] = dy[i] * factor[place]
        df[place] += dy[i] * x[i]
      }
      return [dx, df]
    case .dropout: dx = dy
    case .merge(let groups):
      let (parts, classes, y) = (groups.count, node.shape[0], values[place]!)
      for n in 0..<batch {
        for (i, group) in groups.enumerated() {
          dx[n * parts + i] = dy[n * classes + group] * exp(x[n * parts + i] - y[n * classes + group])
        }
      }
    }
    return [dx]
  }

  /// Where a vector of the picture's channels has what belongs to element `i` of the picture.
  private func vectorPlace(_ i: Int, _ sizes: Sizes) -> Int {
    i / (sizes.height * sizes.width * sizes.channels) * sizes.channels + i % sizes.channels
  }

  private func sums(_ values: [Double], _ channels: Int) -> [Double] {
    var sums = [Double](repeating: 0, count: channels)
    for i in values.indices { sums[i % channels] += values[i] }
    return sums
  }
}
