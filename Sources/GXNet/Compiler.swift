import GXCore

/// Turns a graph into a program: forward, and for training backward. Layouts are oneDNN's choice at each
/// convolution and kept by what follows; a reorder stands only where two neighbours disagree.
///
/// What is fused: in training, batch normalisation with the ReLU after it, and activations whose gradient
/// comes from their result with the convolution, linear layer or addition before them. In inference, batch
/// normalisation is folded into the convolution's weights, which also takes the addition and activation after it.
final class Compiler {
  let graph: Graph
  let batch: Int
  let training: Bool
  /// Of pictures between convolutions. Vectors and the arrays that training changes are f32.
  let precision: Precision
  let program = Program()

  private(set) var parameters: [Parameter] = []
  private(set) var state: [Parameter] = []
  /// Set an inference network's arrays from plain tensors, which are known to be complete and of the right shapes.
  private(set) var loaders: [([String: Tensor]) throws -> Void] = []
  /// NHWC, for the caller to fill.
  let input: Buffer
  private(set) var logits: Buffer
  /// The gradient of the logits, for the caller to fill. Training only.
  private(set) var logitsGradient: Buffer?
  /// The steps before this one are forward, the others backward.
  private(set) var forwardCount = 0

  private let readers: [[Int]]
  private var needsGradient: [Bool] = []
  /// By node; the graph's input is -1. A node that was fused into a later one has none.
  private var values: [Int: Buffer] = [:]
  private var emitted: Set<Int> = []
  private var reorders: [ObjectIdentifier: [Buffer]] = [:]
  /// What emits the gradient steps of each node, in forward order.
  private var tape: [() throws -> Void] = []
  /// What reached a node's gradient so far; the sum of them is the gradient.
  private var contributions: [Int: [Buffer]] = [:]

  init(_ graph: Graph, batch: Int, training: Bool, precision: Precision) throws {
    try graph.checkComplete()
    guard batch >= 1, batch <= Graph.sizeLimit else { throw GXError("batch \(batch) is not in 1...\(Graph.sizeLimit)") }
    (self.graph, self.batch, self.training) = (graph, batch, training)
    self.precision = precision.isFast ? precision : .f32
    readers = graph.nodes.indices.map { graph.readers(of: $0) }
    input = try Buffer.pinned(.channelsLast(Self.sizes(batch, graph.input)))
    logits = try Buffer.pinned(.plain(Self.sizes(batch, graph.output)))
    values[-1] = input

    for (place, node) in graph.nodes.enumerated() {
      let trained = graph.weights(of: place).contains(where: \.isTrained)
      needsGradient.append(training && (trained || node.inputs.contains { $0 >= 0 && needsGradient[$0] }))
    }
    for (place, node) in graph.nodes.enumerated() where !emitted.contains(place) {
      do {
        try emit(place)
      } catch let error as GXError {
        throw error.at("node \(node.name)")
      }
    }
    let last = graph.nodes.count - 1
    try program.addCopy(from: values[last]!, to: logits)
    forwardCount = program.count
    if training {
      let gradient = try Buffer.pinned(logits.layout)
      logitsGradient = gradient
      contributions[last] = [gradient]
      for emitGradient in tape.reversed() { try emitGradient() }
    }
    tape = []
    try program.seal()
  }

  /// oneDNN's order of sizes: NCHW, or NC.
  private static func sizes(_ batch: Int, _ shape: Shape) -> [Int] {
    shape.count == 3 ? [batch, shape[2], shape[0], shape[1]] : [batch, shape[0]]
  }

  private func sizes(_ place: Int) -> [Int] { Self.sizes(batch, graph.shape(of: place)) }

  private func emit(_ place: Int) throws {
    let node = graph.nodes[place]
    let source = node.inputs[0]
    switch node.operation {
    case .convolution(_, let window, let groups, let bias):
      try convolution(place, source, window, groups: groups, bias: bias)
    case .linear(_, let bias): try linear(place, source, bias: bias)
    case .batchNorm(let epsilon, let momentum): try batchNorm(place, source, epsilon: epsilon, momentum: momentum)
    case .activation(let activation): try activate(place, source, activation)
    case .pool(let kind, let window): try pool(place, source, kind, window)
    case .globalAveragePool: try globalAveragePool(place, source)
    case .add: try add(place, source, node.inputs[1])
    case .dropout(let rate): try dropout(place, source, rate: rate)
    }
  }

  // MARK: Values and gradients

  /// `buffer` in `layout`: itself, or a reordered copy, made once.
  private func reordered(_ buffer: Buffer, to layout: Layout) throws -> Buffer {
    if buffer.layout == layout { return buffer }
    let key = ObjectIdentifier(buffer)
    if let known = reorders[key]?.first(where: { $0.layout == layout }) { return known }
    let copy = Buffer(layout)
    try program.addCopy(from: buffer, to: copy)
    reorders[key, default: []].append(copy)
    return copy
  }

  private func set(_ place: Int, _ value: Buffer) {
    values[place] = value
    emitted.insert(place)
  }

  private func reaches(_ place: Int) -> Bool { place >= 0 && needsGradient[place] }

  private func contribute(_ gradient: Buffer, to place: Int) {
    if reaches(place) { contributions[place, default: []].append(gradient) }
  }

  /// The gradient of a node whose readers' gradient steps have all been emitted.
  private func gradient(_ place: Int) throws -> Buffer {
    var terms = contributions.removeValue(forKey: place)!
    var total = terms.removeFirst()
    for term in terms {
      let sum = Buffer(total.layout)
      program.add(
        try Primitive.add(total.layout),
        [
          (Argument.source, total), (Argument.source1, try reordered(term, to: total.layout)),
          (Argument.destination, sum),
        ], inPlace: (total, sum))
      total = sum
    }
    return total
  }

  /// The gradient before a fused activation, from the one after it.
  private func gradient(before activation: Activation?, result: Buffer, _ gradient: Buffer) throws -> Buffer {
    guard let activation else { return gradient }
    let after = try reordered(gradient, to: result.layout)
    let before = Buffer(result.layout)
    program.add(
      try Primitive.activationGradient(activation, result.layout, gradient: result.layout),
      [
        (activation.usesResult ? Argument.destination : Argument.source, result),
        (Argument.destinationGradient, after), (Argument.sourceGradient, before),
      ], inPlace: (after, before))
    return before
  }

  /// A weight, in the layout that a primitive asked for.
  private func array(_ weight: Graph.Weight, plain: [Int]? = nil, native: Layout? = nil) throws -> NativeArray {
    let plain = try Layout.plain(plain ?? weight.shape)
    return try NativeArray(plain: plain, native: native ?? plain)
  }

  private func parameter(_ weight: Graph.Weight, plain: [Int]? = nil, native: Layout? = nil) throws -> Parameter {
    let parameter = try Parameter(weight, array(weight, plain: plain, native: native))
    if weight.isTrained { parameters.append(parameter) } else { state.append(parameter) }
    return parameter
  }

  // MARK: Fusion

  /// The nodes that can be computed together with the one before them.
  private struct Tail {
    var batchNorm: Int?
    var addend: Int?
    var activation: Activation?
    var last: Int
  }

  private func soleReader(_ place: Int) -> Int? { readers[place].count == 1 ? readers[place][0] : nil }

  private func tail(of place: Int) -> Tail {
    var tail = Tail(last: place)
    if !training, let next = soleReader(tail.last), case .convolution = graph.nodes[place].operation {
      if case .batchNorm = graph.nodes[next].operation {
        tail.batchNorm = next
        tail.last = next
      }
      if let next = soleReader(tail.last), case .add = graph.nodes[next].operation {
        let other = graph.nodes[next].inputs.first { $0 != tail.last }
        if let other, values[other] != nil {
          tail.addend = other
          tail.last = next
        }
      }
    }
    if let next = soleReader(tail.last), case .activation(let activation) = graph.nodes[next].operation,
      !training || activation.usesResult
    {
      tail.activation = activation
      tail.last = next
    }
    return tail
  }

  /// The nodes from `place` to the end of its tail count as done.
  private func finish(_ place: Int, _ tail: Tail, _ value: Buffer) {
    emitted.insert(place)
    if let norm = tail.batchNorm {
      emitted.insert(norm)
      if tail.addend != nil { emitted.formUnion(readers[norm]) }
    } else if tail.addend != nil {
      emitted.formUnion(readers[place])
    }
    set(tail.last, value)
  }

  // MARK: Layers with weights

  private func convolution(_ place: Int, _ source: Int, _ window: Window, groups: Int, bias: Bool) throws {
    let weights = graph.weights(of: place)
    let tail = tail(of: place)
    let hasBias = bias || tail.batchNorm != nil
    var filter = weights[0].shape
    if groups > 1 { filter = [groups, filter[0] / groups] + filter[1...] }
    let biasLayout = hasBias ? try Layout.plain([weights[0].shape[0]]) : nil
    let primitive = try Primitive.convolution(
      source: .any(sizes(source), precision), weights: .any(filter, precision), bias: biasLayout,
      destination: .any(sizes(place), precision),
      window: window, training: training, post: PostOps(sum: tail.addend != nil, activation: tail.activation))

    let x = try reordered(values[source]!, to: primitive.layout(Argument.source))
    let y = Buffer(primitive.layout(Argument.destination))
    if let addend = tail.addend {
      // Summed into what the destination holds: the addend itself, where nothing else needs it.
      try program.addCopy(from: reordered(values[addend]!, to: y.layout), to: y)
    }
    let native = primitive.layout(Argument.weights)
    guard training else {
      let w = try array(weights[0], plain: filter, native: native)
      let b = try biasLayout.map { try NativeArray(plain: $0, native: $0) }
      let norm = tail.batchNorm.map { graph.nodes[$0] }
      loaders.append { tensors in
        let own = bias ? tensors[weights[1].name] : nil
        var (filter, offset) = try Self.fold(norm, in: tensors, weights: tensors[weights[0].name]!, bias: own)
        try w.set(&filter)
        try b?.set(&offset)
      }
      var arguments = [
        (Argument.source, x), (Argument.weights, w.buffer), (Argument.destination, y),
      ]
      if let b { arguments.append((Argument.bias, b.buffer)) }
      program.add(primitive, arguments)
      return finish(place, tail, y)
    }

    let w = try parameter(weights[0], plain: filter, native: native.asF32)
    let b = bias ? try parameter(weights[1]) : nil
    var arguments = [
      (Argument.source, x), (Argument.weights, try reordered(w.array.buffer, to: native)), (Argument.destination, y),
    ]
    if let b { arguments.append((Argument.bias, b.array.buffer)) }
    program.add(primitive, arguments)
    finish(place, tail, y)

    tape.append { [unowned self] in
      let dy = try gradient(before: tail.activation, result: y, gradient(tail.last))
      let any = (
        source: try Layout.any(sizes(source), precision), destination: try Layout.any(sizes(place), precision)
      )
      try weightsGradient(
        try Primitive.convolutionWeightsGradient(
          source: any.source, weights: .any(filter), bias: biasLayout, destination: any.destination, window: window,
          forward: primitive),
        source: x, gradient: dy, w, b)
      guard reaches(source) else { return }
      try sourceGradient(
        try Primitive.convolutionSourceGradient(
          source: any.source, weights: .any(filter, precision), destination: any.destination, window: window,
          forward: primitive),
        weights: w, gradient: dy, to: source)
    }
  }

  /// The weights and bias of a convolution that does the batch normalisation after it as well.
  private static func fold(
    _ norm: Graph.Node?, in tensors: [String: Tensor], weights: Tensor, bias: Tensor?
  ) throws -> (weights: [Float], bias: [Float]) {
    var weights = weights.floats()
    guard let norm, case .batchNorm(let epsilon, _) = norm.operation else { return (weights, bias?.floats() ?? []) }
    func values(_ suffix: String) -> [Float] { tensors["\(norm.name).\(suffix)"]!.floats() }
    let (gain, shift) = (values("weight"), values("bias"))
    let (mean, variance) = (values("running_mean"), values("running_var"))
    let offset = bias?.floats() ?? [Float](repeating: 0, count: gain.count)
    var folded: [Float] = []
    let perChannel = weights.count / gain.count
    for c in gain.indices {
      let factor = gain[c] / (variance[c] + Float(epsilon)).squareRoot()
      for i in c * perChannel..<(c + 1) * perChannel { weights[i] *= factor }
      folded.append(shift[c] + (offset[c] - mean[c]) * factor)
    }
    return (weights, folded)
  }

  private func linear(_ place: Int, _ source: Int, bias: Bool) throws {
    let weights = graph.weights(of: place)
    let tail = tail(of: place)
    // Over a picture, the weights are seen as OIHW; plain, that is the same as [out, in].
    let matrix = [weights[0].shape[0]] + sizes(source).dropFirst()
    let biasLayout = bias ? try Layout.plain(weights[1].shape) : nil
    let result = try Layout.plain(sizes(place))
    let primitive = try Primitive.innerProduct(
      source: .any(sizes(source)), weights: .any(matrix), bias: biasLayout, destination: result, training: training,
      post: PostOps(activation: tail.activation))

    let x = try reordered(values[source]!, to: primitive.layout(Argument.source))
    let y = Buffer(result)
    let native = primitive.layout(Argument.weights)
    guard training else {
      let w = try array(weights[0], plain: matrix, native: native)
      let b = bias ? try array(weights[1]) : nil
      loaders.append { tensors in
        var values = tensors[weights[0].name]!.floats()
        try w.set(&values)
        guard let b else { return }
        values = tensors[weights[1].name]!.floats()
        try b.set(&values)
      }
      var arguments = [
        (Argument.source, x), (Argument.weights, w.buffer), (Argument.destination, y),
      ]
      if let b { arguments.append((Argument.bias, b.buffer)) }
      program.add(primitive, arguments)
      return finish(place, tail, y)
    }

    let w = try parameter(weights[0], plain: matrix, native: native)
    let b = bias ? try parameter(weights[1]) : nil
    var arguments = [
      (Argument.source, x), (Argument.weights, w.array.buffer), (Argument.destination, y),
    ]
    if let b { arguments.append((Argument.bias, b.array.buffer)) }
    program.add(primitive, arguments)
    finish(place, tail, y)

    tape.append { [unowned self] in
      let dy = try gradient(before: tail.activation, result: y, gradient(tail.last))
      let any = (source: try Layout.any(sizes(source)), weights: try Layout.any(matrix))
      try weightsGradient(
        try Primitive.innerProductWeightsGradient(
          source: any.source, weights: any.weights, bias: biasLayout, destination: result, forward: primitive),
        source: x, gradient: dy, w, b)
      guard reaches(source) else { return }
      try sourceGradient(
        try Primitive.innerProductSourceGradient(
          source: any.source, weights: any.weights, destination: result, forward: primitive),
        weights: w, gradient: dy, to: source)
    }
  }

  private func weightsGradient(
    _ primitive: Primitive, source: Buffer, gradient: Buffer, _ weights: Parameter, _ bias: Parameter?
  ) throws {
    let layout = primitive.layout(Argument.weightsGradient)
    let direct = layout == weights.array.buffer.layout
    let result = direct ? weights.gradientBuffer! : Buffer(layout)
    var arguments = [
      (Argument.source, try reordered(source, to: primitive.layout(Argument.source))),
      (Argument.destinationGradient, try reordered(gradient, to: primitive.layout(Argument.destinationGradient))),
      (Argument.weightsGradient, result),
    ]
    if let bias { arguments.append((Argument.biasGradient, bias.gradientBuffer!)) }
    program.add(primitive, arguments)
    if !direct { try program.addCopy(from: result, to: weights.gradientBuffer!) }
  }

  private func sourceGradient(_ primitive: Primitive, weights: Parameter, gradient: Buffer, to source: Int) throws {
    let result = Buffer(primitive.layout(Argument.sourceGradient))
    program.add(
      primitive,
      [
        (Argument.weights, try reordered(weights.array.buffer, to: primitive.layout(Argument.weights))),
        (Argument.destinationGradient, try reordered(gradient, to: primitive.layout(Argument.destinationGradient))),
        (Argument.sourceGradient, result),
      ])
    contribute(result, to: source)
  }

  private func batchNorm(_ place: Int, _ source: Int, epsilon: Double, momentum: Double) throws {
    let weights = graph.weights(of: place)
    let x = values[source]!
    let y = Buffer(x.layout)
    let relu = soleReader(place).flatMap { graph.nodes[$0].operation == .activation(.relu) ? $0 : nil }
    let primitive = try Primitive.batchNorm(x.layout, epsilon: epsilon, relu: relu != nil, training: training)
    emitted.insert(place)
    set(relu ?? place, y)

    guard training else {
      let arrays = try weights.map { try array($0) }
      loaders.append { tensors in
        for (weight, array) in zip(weights, arrays) {
          var values = tensors[weight.name]!.floats()
          try array.set(&values)
        }
      }
      let arguments = [Argument.scale, Argument.shift, Argument.mean, Argument.variance]
      program.add(
        primitive, [(Argument.source, x), (Argument.destination, y)] + zip(arguments, arrays.map(\.buffer)),
        inPlace: (x, y))
      return
    }

    let (scale, shift) = (try parameter(weights[0]), try parameter(weights[1]))
    let (runningMean, runningVariance) = (try parameter(weights[2]), try parameter(weights[3]))
    let channels = try Layout.plain(weights[0].shape)
    let (mean, variance) = (Buffer(channels), Buffer(channels))
    let workspace = Buffer(primitive.layout(Argument.workspace))
    program.add(
      primitive,
      [
        (Argument.source, x), (Argument.destination, y), (Argument.scale, scale.array.buffer),
        (Argument.shift, shift.array.buffer), (Argument.mean, mean), (Argument.variance, variance),
        (Argument.workspace, workspace),
      ])
    // The running variance is the unbiased one, as in PyTorch.
    let count = Float(sizes(place).reduce(1, *) / weights[0].shape[0])
    let unbias = count > 1 ? count / (count - 1) : 1
    let rate = Float(momentum)
    program.add([mean, variance, runningMean.array.buffer, runningVariance.array.buffer]) { _ in
      let (mean, variance) = (mean.floats, variance.floats)
      for c in 0..<mean.count {
        runningMean.values[c] += rate * (mean[c] - runningMean.values[c])
        runningVariance.values[c] += rate * (variance[c] * unbias - runningVariance.values[c])
      }
    }

    tape.append { [unowned self] in
      let backward = try Primitive.batchNormGradient(
        x.layout, gradient: x.layout, epsilon: epsilon, relu: relu != nil, forward: primitive)
      let dy = try reordered(gradient(relu ?? place), to: x.layout)
      let dx = Buffer(x.layout)
      program.add(
        backward,
        [
          (Argument.source, x), (Argument.mean, mean), (Argument.variance, variance),
          (Argument.scale, scale.array.buffer), (Argument.shift, shift.array.buffer),
          (Argument.workspace, workspace), (Argument.destinationGradient, dy), (Argument.sourceGradient, dx),
          (Argument.scaleGradient, scale.gradientBuffer!), (Argument.shiftGradient, shift.gradientBuffer!),
        ], inPlace: (dy, dx))
      contribute(dx, to: source)
    }
  }

  // MARK: Layers without

  private func activate(_ place: Int, _ source: Int, _ activation: Activation) throws {
    let x = values[source]!
    let y = Buffer(x.layout)
    program.add(
      try Primitive.activation(activation, x.layout, training: training),
      [(Argument.source, x), (Argument.destination, y)], inPlace: (x, y))
    set(place, y)
    if reaches(place) {
      tape.append { [unowned self] in
        contribute(
          try gradient(before: activation, result: activation.usesResult ? y : x, gradient(place)), to: source)
      }
    }
  }

  private func pool(_ place: Int, _ source: Int, _ kind: Pool, _ window: Window) throws {
    let x = values[source]!
    let primitive = try Primitive.pool(
      kind, source: x.layout, destination: .any(sizes(place), x.layout.precision), window: window, training: training)
    let y = Buffer(primitive.layout(Argument.destination))
    let workspace = Buffer(primitive.layout(Argument.workspace))
    program.add(primitive, [(Argument.source, x), (Argument.destination, y), (Argument.workspace, workspace)])
    set(place, y)
    guard reaches(place) else { return }
    tape.append { [unowned self] in
      try poolGradient(
        kind, window, primitive, sizes(place), workspace, x.layout, gradient: gradient(place), to: source)
    }
  }

  private func poolGradient(
    _ kind: Pool, _ window: Window, _ forward: Primitive, _ result: [Int], _ workspace: Buffer, _ layout: Layout,
    gradient: Buffer, to source: Int
  ) throws {
    let backward = try Primitive.poolGradient(
      kind, source: layout, destination: .any(result, layout.precision), window: window, forward: forward)
    let dx = Buffer(layout)
    program.add(
      backward,
      [
        (Argument.destinationGradient, try reordered(gradient, to: backward.layout(Argument.destinationGradient))),
        (Argument.workspace, workspace), (Argument.sourceGradient, dx),
      ])
    contribute(dx, to: source)
  }

  private func globalAveragePool(_ place: Int, _ source: Int) throws {
    let x = values[source]!
    let shape = graph.shape(of: source)
    let window = Window(kernel: Size(shape[0], shape[1]))
    let picture = sizes(place) + [1, 1]
    let primitive = try Primitive.pool(
      .average, source: x.layout, destination: .any(picture, x.layout.precision), window: window, training: training)
    let y = Buffer(primitive.layout(Argument.destination))
    program.add(primitive, [(Argument.source, x), (Argument.destination, y)])
    let plain = try Layout.plain(picture)
    set(place, Buffer(viewing: try reordered(y, to: plain), as: try .plain(sizes(place))))
    guard reaches(place) else { return }
    tape.append { [unowned self] in
      let dy = Buffer(viewing: try gradient(place), as: plain)
      try poolGradient(.average, window, primitive, picture, y, x.layout, gradient: dy, to: source)
    }
  }

  private func add(_ place: Int, _ first: Int, _ second: Int) throws {
    let tail = tail(of: place)
    let a = values[first]!
    let b = try reordered(values[second]!, to: a.layout)
    let y = Buffer(a.layout)
    // oneDNN 2.6's addition with an activation is wrong in place where channels are padded.
    let inPlace = tail.activation != nil && a.layout.isPadded ? nil : (from: a, into: y)
    program.add(
      try Primitive.add(a.layout, post: PostOps(activation: tail.activation)),
      [(Argument.source, a), (Argument.source1, b), (Argument.destination, y)],
      inPlace: inPlace)
    finish(place, tail, y)
    guard reaches(place) else { return }
    tape.append { [unowned self] in
      let dy = try gradient(before: tail.activation, result: y, gradient(tail.last))
      contribute(dy, to: first)
      contribute(dy, to: second)
    }
  }

  private func dropout(_ place: Int, _ source: Int, rate: Double) throws {
    let given = values[source]!
    guard training, rate > 0 else {
      set(place, given)
      if reaches(place) { tape.append { [unowned self] in contribute(try gradient(place), to: source) } }
      return
    }
    let mask = DropoutMask(rate: rate, node: place)
    let x = try reordered(given, to: given.layout.asF32)
    let y = Buffer(x.layout)
    program.add([x, y], inPlace: (x, y)) { seed in mask.apply(seed: seed, x.floats, to: y.floats) }
    set(place, y)
    guard reaches(place) else { return }
    tape.append { [unowned self] in
      let dy = try reordered(gradient(place), to: x.layout)
      let dx = Buffer(x.layout)
      program.add([dy, dx], inPlace: (dy, dx)) { seed in mask.apply(seed: seed, dy.floats, to: dx.floats) }
      contribute(dx, to: source)
    }
  }
}

/// Which elements a dropout keeps: a hash of the seed, the node and the element's place, so that the
/// mask is the same in the backward pass without being stored.
struct DropoutMask {
  let rate: Double
  let node: Int

  func apply(seed: UInt64, _ source: UnsafeMutableBufferPointer<Float>, to result: UnsafeMutableBufferPointer<Float>) {
    let key = hash(seed &+ hash(UInt64(node)))
    let scale = Float(1 / (1 - rate))
    let threshold = UInt64(rate * 0x1p32)
    for i in 0..<source.count {
      let random = hash(key &+ UInt64(i) &* 0x9e37_79b9_7f4a_7c15) >> 32
      result[i] = random < threshold ? 0 : source[i] * scale
    }
  }

  /// SplitMix64's finaliser.
  @inline(__always) private func hash(_ value: UInt64) -> UInt64 {
    var z = value &+ 0x9e37_79b9_7f4a_7c15
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
