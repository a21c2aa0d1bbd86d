import GXCore

/// Height and width.
public struct Size: Equatable, Sendable {
  public var height: Int
  public var width: Int

  public init(_ height: Int, _ width: Int) { (self.height, self.width) = (height, width) }
  public init(_ both: Int) { self.init(both, both) }
}

/// What slides over a picture in a convolution or pooling.
public struct Window: Equatable, Sendable {
  public var kernel: Size
  public var stride: Size
  /// Above and to the left.
  public var padding: Size
  /// Below and to the right: as much, as a rule, but not with TensorFlow's "same".
  public var paddingAfter: Size
  /// 1 is a dense kernel. Convolutions only.
  public var dilation: Size

  public init(
    kernel: Size, stride: Size = Size(1), padding: Size = Size(0), paddingAfter: Size? = nil, dilation: Size = Size(1)
  ) {
    (self.kernel, self.stride, self.padding, self.dilation) = (kernel, stride, padding, dilation)
    self.paddingAfter = paddingAfter ?? padding
  }

  /// A square window.
  public init(_ kernel: Int, stride: Int = 1, padding: Int = 0, dilation: Int = 1) {
    self.init(kernel: Size(kernel), stride: Size(stride), padding: Size(padding), dilation: Size(dilation))
  }
}

/// Elementwise functions, by their PyTorch names: `gelu` is the exact one, `leaky_relu` has slope
/// 0.01, `elu` alpha 1, `silu` is also known as swish.
public enum Activation: String, CaseIterable, Sendable {
  case relu
  case leakyReLU = "leaky_relu"
  case relu6
  case elu
  case sigmoid
  case tanh
  case silu
  case gelu
  case hardswish
}

/// `average` counts the padding as zeros, as PyTorch does.
public enum Pool: String, CaseIterable, Sendable {
  case max
  case average = "avg"
}

/// What a node computes. Shapes are of one sample: pictures `[height, width, channels]`, vectors `[features]`.
public enum Operation: Equatable, Sendable {
  /// Cross-correlation; picture to picture. `groups` equal to the channels is depthwise.
  case convolution(channels: Int, window: Window, groups: Int = 1, bias: Bool = true)
  /// By channel, over batch and place. `momentum` is the new statistics' weight in the running ones.
  case batchNorm(epsilon: Double = 1e-5, momentum: Double = 0.1)
  case activation(Activation)
  case pool(Pool, Window)
  /// The mean over all places: picture to vector.
  case globalAveragePool
  /// The sum of two nodes of one shape.
  case add
  /// A picture times a vector of as many channels: what squeeze-and-excitation ends in (Hu et al. 2018).
  case multiply
  /// Fully connected: to a vector of `features`. A picture is read in channel-row-column order, as
  /// PyTorch's `flatten` gives it.
  case linear(features: Int, bias: Bool = true)
  /// In training, sets elements to zero with probability `rate` and divides the rest by `1 - rate`.
  case dropout(rate: Double)
  /// Logits of finer classes to those of the classes they are parts of: element i goes into element `groups[i]`, and
  /// each is the logarithm of the sum of its parts' exponentials. So a class's probability is the sum of its parts'.
  case merge(groups: [Int])
}

/// How a new network's weights are drawn.
public enum Initializer: String, CaseIterable, Sendable {
  /// Convolutions normal with variance 2 / fan-out (He et al. 2015, as torchvision's ResNets); linear
  /// layers uniform within 1 / sqrt(fan-in), their biases too (PyTorch's default).
  case he
  /// All weights uniform within sqrt(6 / (fan-in + fan-out)) (Glorot & Bengio 2010), biases 0: Keras's default.
  case glorot
}

/// A feed-forward network as a list of named nodes, each of which reads nodes before it. The last
/// one's vector is the logits. Valid by construction: what cannot be computed cannot be added.
public struct Graph: Equatable, Sendable {
  public struct Node: Equatable, Sendable {
    public let name: String
    public let operation: Operation
    /// Places in `nodes`; -1 is the graph's input.
    package let inputs: [Int]
    /// Of the result.
    public let shape: Shape
  }

  /// The name by which nodes read the network's input.
  public static let inputName = "input"
  /// The most nodes, the longest name in bytes, and the largest size, channel or feature count.
  public static let nodeLimit = 4096
  public static let nameLimit = 200
  public static let sizeLimit = 65536

  /// `[height, width, channels]`.
  public let input: Shape
  public let initializer: Initializer
  public private(set) var nodes: [Node] = []

  public init(input: Shape, initializer: Initializer = .he) throws {
    guard input.count == 3, input.allSatisfy({ (1...Self.sizeLimit).contains($0) }) else {
      throw GXError("network input \(input): expected [height, width, channels], each in 1...\(Self.sizeLimit)")
    }
    _ = try Tensor.byteCount(.f32, input)
    self.input = input
    self.initializer = initializer
  }

  /// Of the result of the last node: of a whole network, the logits, `[classes]`.
  public var output: Shape { nodes.last?.shape ?? input }

  /// Adds a node that reads `inputs` (by default, the last node) and gives its name back.
  @discardableResult
  public mutating func add(_ name: String, _ operation: Operation, _ inputs: String...) throws -> String {
    try add(name, operation, inputs: inputs.isEmpty ? [nodes.last?.name ?? Self.inputName] : inputs)
    return name
  }

  package mutating func add(_ name: String, _ operation: Operation, inputs: [String]) throws {
    guard nodes.count < Self.nodeLimit else { throw GXError("more than \(Self.nodeLimit) nodes") }
    guard (1...Self.nameLimit).contains(name.utf8.count) else {
      throw GXError("node \(nodes.count): name of \(name.utf8.count) bytes; expected 1 to \(Self.nameLimit)")
    }
    guard find(name) == nil else { throw GXError("node \(name): the name is taken") }
    let places = try inputs.map { input in
      guard let place = find(input) else { throw GXError("node \(name): input \(input) is not among the nodes before") }
      return place
    }
    do throws(GXError) {
      let shape = try operation.shape(places.map { self.shape(of: $0) })
      _ = try Tensor.byteCount(.f32, shape)
      nodes.append(Node(name: name, operation: operation, inputs: places, shape: shape))
    } catch {
      throw error.at("node \(name)")
    }
  }

  private func find(_ name: String) -> Int? {
    name == Self.inputName ? -1 : nodes.firstIndex { $0.name == name }
  }

  package func shape(of place: Int) -> Shape { place < 0 ? input : nodes[place].shape }

  /// The nodes that read `place`.
  package func readers(of place: Int) -> [Int] { nodes.indices.filter { nodes[$0].inputs.contains(place) } }

  /// Throws unless every node leads to the last, and that gives a vector.
  public func checkComplete() throws {
    try checkConnected()
    if let last = nodes.last, last.shape.count != 1 {
      throw GXError("node \(last.name): gives \(last.shape); the last node must give a vector [classes]")
    }
  }

  /// Throws unless there are nodes, and every one leads to the last.
  package func checkConnected() throws {
    guard !nodes.isEmpty else { throw GXError("network has no nodes") }
    var read = Set<Int>()
    for node in nodes { read.formUnion(node.inputs) }
    for (place, node) in nodes.dropLast().enumerated() where !read.contains(place) {
      throw GXError("node \(node.name): nothing reads it")
    }
  }
}

extension Graph {
  /// Throws where a name of `frozen` is no node's, or a frozen node reads one that has weights and learns.
  package func checkFrozen(_ frozen: Set<String>) throws(GXError) {
    guard !frozen.isEmpty else { return }
    if let stranger = frozen.subtracting(nodes.map(\.name)).sorted().first {
      throw GXError("no node \(stranger) to freeze")
    }
    var learns: [Bool] = []
    for (place, node) in nodes.enumerated() {
      let source = node.inputs.first { $0 >= 0 && learns[$0] }
      if frozen.contains(node.name), let source {
        throw GXError("node \(node.name) cannot be frozen: it reads \(nodes[source].name), which learns")
      }
      learns.append(source != nil || !frozen.contains(node.name) && !weights(of: place).isEmpty)
    }
  }
}

// MARK: Shapes

extension Operation {
  func shape(_ inputs: [Shape]) throws(GXError) -> Shape {
    let expected =
      switch self {
      case .add, .multiply: 2
      default: 1
      }
    guard inputs.count == expected else { throw GXError("has \(inputs.count) inputs; \(name) takes \(expected)") }
    let input = inputs[0]
    switch self {
    case .convolution(let channels, let window, let groups, _):
      try inRange(channels, 1...Graph.sizeLimit, "channels")
      let picture = try picture(input)
      guard groups >= 1, picture.channels % groups == 0, channels % groups == 0 else {
        throw GXError("groups \(groups) do not divide \(picture.channels) channels in and \(channels) out")
      }
      let size = try window.output(picture.size)
      return [size.height, size.width, channels]
    case .pool(_, let window):
      guard window.dilation == Size(1) else { throw GXError("pooling has no dilation") }
      for padding in [window.padding, window.paddingAfter] {
        guard padding.height * 2 <= window.kernel.height, padding.width * 2 <= window.kernel.width
        else { throw GXError("padding is more than half of the kernel") }
      }
      let picture = try picture(input)
      let size = try window.output(picture.size)
      return [size.height, size.width, picture.channels]
    case .globalAveragePool: return [try picture(input).channels]
    case .linear(let features, _):
      try inRange(features, 1...Graph.sizeLimit, "features")
      return [features]
    case .add:
      guard inputs[0] == inputs[1] else { throw GXError("adds \(inputs[0]) and \(inputs[1])") }
      return input
    case .multiply:
      guard inputs[1] == [try picture(input).channels] else {
        throw GXError("multiplies \(inputs[0]) by \(inputs[1]), not by a vector of its channels")
      }
      return input
    case .batchNorm(let epsilon, let momentum):
      guard epsilon > 0, epsilon < 1 else { throw GXError("eps \(epsilon) is not between 0 and 1") }
      guard momentum >= 0, momentum <= 1 else { throw GXError("momentum \(momentum) is not in 0...1") }
      return input
    case .dropout(let rate):
      guard rate >= 0, rate < 1 else { throw GXError("rate \(rate) is not in 0..<1") }
      return input
    case .merge(let groups):
      guard input.count == 1, groups.count == input[0] else {
        throw GXError("merges a vector of \(groups.count), not \(input)")
      }
      let count = Set(groups).count
      guard groups.allSatisfy({ (0..<count).contains($0) }) else {
        throw GXError("groups are not all of 0..<\(count)")
      }
      return [count]
    case .activation: return input
    }
  }

  private func picture(_ shape: Shape) throws(GXError) -> (size: Size, channels: Int) {
    guard shape.count == 3 else { throw GXError("\(name) reads a picture [height, width, channels], not \(shape)") }
    return (Size(shape[0], shape[1]), shape[2])
  }

  private func inRange(_ value: Int, _ range: ClosedRange<Int>, _ what: String) throws(GXError) {
    guard range.contains(value) else {
      throw GXError("\(what) \(value) is not in \(range.lowerBound)...\(range.upperBound)")
    }
  }
}

extension Window {
  func output(_ size: Size) throws(GXError) -> Size {
    func along(_ size: Int, _ part: KeyPath<Size, Int>) throws(GXError) -> Int {
      let limit = 1...Graph.sizeLimit
      let (kernel, stride, dilation) = (kernel[keyPath: part], stride[keyPath: part], dilation[keyPath: part])
      let (before, after) = (padding[keyPath: part], paddingAfter[keyPath: part])
      guard limit.contains(kernel), limit.contains(stride), limit.contains(dilation), min(before, after) >= 0,
        max(before, after) < kernel * dilation
      else {
        let padding = before == after ? "\(before)" : "\(before) and \(after)"
        throw GXError("kernel \(kernel), stride \(stride), padding \(padding), dilation \(dilation) make no window")
      }
      let room = size + before + after - dilation * (kernel - 1) - 1
      guard room >= 0 else { throw GXError("kernel \(kernel) does not fit into \(size) with padding \(before)") }
      return room / stride + 1
    }
    return Size(try along(size.height, \.height), try along(size.width, \.width))
  }
}

// MARK: Weights

extension Graph {
  /// One array of weights or running statistics, in PyTorch's layout and under its name.
  package struct Weight {
    package enum Role { case weight, bias, scale, shift, runningMean, runningVariance }
    package let name: String
    package let shape: Shape
    package let role: Role

    /// Trained by gradient; the rest are running statistics.
    package var isTrained: Bool { role != .runningMean && role != .runningVariance }
  }

  /// The arrays of a node: convolutions OIHW (I of one group), linear layers `[out, in]`, the rest `[channels]`.
  package func weights(of place: Int) -> [Weight] {
    let node = nodes[place]
    let input = shape(of: node.inputs[0])
    func weight(_ suffix: String, _ shape: Shape, _ role: Weight.Role) -> Weight {
      Weight(name: "\(node.name).\(suffix)", shape: shape, role: role)
    }
    switch node.operation {
    case .convolution(let channels, let window, let groups, let bias):
      let shape = [channels, input[2] / groups, window.kernel.height, window.kernel.width]
      return [weight("weight", shape, .weight)] + (bias ? [weight("bias", [channels], .bias)] : [])
    case .linear(let features, let bias):
      let shape = [features, input.reduce(1, *)]
      return [weight("weight", shape, .weight)] + (bias ? [weight("bias", [features], .bias)] : [])
    case .batchNorm:
      let shape = [input.last!]
      return [
        weight("weight", shape, .scale), weight("bias", shape, .shift),
        weight("running_mean", shape, .runningMean), weight("running_var", shape, .runningVariance),
      ]
    default: return []
    }
  }

  /// How many numbers training sets.
  public var parameterCount: Int {
    nodes.indices.flatMap { weights(of: $0) }.filter(\.isTrained).reduce(0) { $0 + $1.shape.reduce(1, *) }
  }

  /// A new network's weights, as `initializer` says; running means 0, variances 1. The same for the
  /// same random numbers, whatever the machine.
  public func initialWeights(random: inout Random) throws -> [(name: String, tensor: Tensor)] {
    var tensors: [(name: String, tensor: Tensor)] = []
    for place in nodes.indices {
      var fanIn = 1
      for weight in weights(of: place) {
        let count = weight.shape.reduce(1, *)
        var values = [Float](repeating: 0, count: count)
        switch weight.role {
        case .scale, .runningVariance: for i in 0..<count { values[i] = 1 }
        case .shift, .runningMean: break
        case .bias:
          if case .linear = nodes[place].operation, initializer == .he {
            let bound = 1 / Double(fanIn).squareRoot()
            for i in 0..<count { values[i] = Float(random.uniform(-bound, bound)) }
          }
        case .weight:
          fanIn = count / weight.shape[0]
          var fanOut = weight.shape[0] * weight.shape.dropFirst(2).reduce(1, *)
          if case .convolution(_, _, let groups, _) = nodes[place].operation { fanOut /= groups }
          switch (initializer, weight.shape.count) {
          case (.he, 4):
            let deviation = (2 / Double(fanOut)).squareRoot()
            for i in 0..<count { values[i] = Float(deviation * random.normal()) }
          case (.he, _):
            let bound = 1 / Double(fanIn).squareRoot()
            for i in 0..<count { values[i] = Float(random.uniform(-bound, bound)) }
          case (.glorot, _):
            let bound = (6 / Double(fanIn + fanOut)).squareRoot()
            for i in 0..<count { values[i] = Float(random.uniform(-bound, bound)) }
          }
        }
        tensors.append((weight.name, try Tensor(weight.shape, values)))
      }
    }
    return tensors
  }
}
