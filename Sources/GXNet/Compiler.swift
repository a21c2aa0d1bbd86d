import GXCore
import GXGraph

/// Turns a graph into a program: forward, and for training backward. Layouts are oneDNN's choice at each
/// convolution and kept by what follows; a reorder stands only where two neighbours disagree.
///
/// What is fused: in training, batch normalisation with the ReLU after it, and activations whose gradient
/// comes from their result with the convolution, linear layer or addition before them. In inference, batch
/// normalisation is folded into the convolution's weights, which also takes the addition and activation after it.
///
/// Inference may have a backward pass too, to the value of one node that is watched. What is fused is the same, but
/// for activations whose gradient needs their argument, and at the watched node, whose value must be kept.
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
  var loaders: [([String: Tensor]) throws -> Void] = []
  /// NHWC, for the caller to fill.
  let input: Buffer
  private(set) var logits: Buffer
  /// The gradient of the logits, for the caller to fill. Training or watching only.
  private(set) var logitsGradient: Buffer?
  /// The watched node's value, and its gradient after the backward steps: NHWC, or `[batch, features]`.
  private(set) var watched: (value: Buffer, gradient: Buffer)?
  /// The steps before this one are forward, the others backward.
  private(set) var forwardCount = 0

  private let readers: [[Int]]
  /// Whether a node is computed as in training; frozen ones are not.
  private var learns: [Bool] = []
  private var needsGradient: [Bool] = []
  private let watchedPlace: Int?
  /// By node; the graph's input is -1. A node that was fused into a later one has none.
  private(set) var values: [Int: Buffer] = [:]
  private var emitted: Set<Int> = []
  private var reorders: [ObjectIdentifier: [Buffer]] = [:]
  /// What emits the gradient steps of each node, in forward order.
  var tape: [() throws -> Void] = []
  /// The names of the nodes that the tape's steps are of.
  private var tapeNodes: [String] = []
  /// The weights' arrays, in the order in which they were asked for.
  private var arrays: [NativeArray] = []
  /// Where the arrays are taken from, in the same order.
  private let weights: Compiler?
  /// What reached a node's gradient so far; the sum of them is the gradient.
  private var contributions: [Int: [Buffer]] = [:]

  /// - Parameters:
  ///   - watching: a node of an inference network, up to whose value there is a backward pass.
  ///   - sharing: another compilation of the same, with the same number of threads, whose weights are used.
  init(
    _ graph: Graph, batch: Int, training: Bool, precision: Precision, frozen: Set<String> = [],
    watching: String? = nil, sharing weights: Compiler? = nil
  ) throws {
    try graph.checkConnected()
    try graph.checkFrozen(frozen)
    let graph = training ? try graph.withPoolingFirst() : graph
    watchedPlace = try watching.map { name throws(GXError) in try graph.place(ofNode: name) }
    (self.graph, self.batch, self.training, self.weights) = (graph, batch, training, weights)
    self.precision = precision.isFast ? precision : .f32
    readers = graph.nodes.indices.map { graph.readers(of: $0) }
    input = try .outer(graph.input, batch: batch)
    logits = try .outer(graph.output, batch: batch)
    values[-1] = input

    for (place, node) in graph.nodes.enumerated() {
      learns.append(training && !frozen.contains(node.name))
      let trained = graph.weights(of: place).contains(where: \.isTrained)
      let passes = node.inputs.contains { $0 >= 0 && needsGradient[$0] }
      needsGradient.append(place == watchedPlace || learns[place] && trained || passes)
    }
    for place in graph.nodes.indices where !emitted.contains(place) { try emit(place) }
    let last = graph.nodes.count - 1
    try program.addCopy(from: values[last]!, to: logits)
    if let watchedPlace {
      let shape = graph.nodes[watchedPlace].shape
      let value = try Buffer.outer(shape, batch: batch)
      try program.addCopy(from: values[watchedPlace]!, to: value)
      watched = (value, try .outer(shape, batch: batch))
    }
    forwardCount = program.count
    if training || watched != nil {
      let gradient = try Buffer.pinned(logits.layout)
      logitsGradient = gradient
      contributions[last] = [gradient]
      for (node, emitGradient) in zip(tapeNodes, tape).reversed() {
        program.node = node
        try emitGradient()
      }
      if let watchedPlace, let watched { try program.addCopy(from: self.gradient(watchedPlace), to: watched.gradient) }
    }
    tape = []
    try program.seal()
  }

  /// oneDNN's order of sizes: NCHW, or NC.
  fileprivate static func sizes(_ batch: Int, _ shape: Shape) -> [Int] {
    shape.count == 3 ? [batch, shape[2], shape[0], shape[1]] : [batch, shape[0]]
  }

  func sizes(_ place: Int) -> [Int] { Self.sizes(batch, graph.shape(of: place)) }

  private func emit(_ place: Int) throws {
    let node = graph.nodes[place]
    let source = node.inputs[0]
    program.node = node.name
    // Only oneDNN can fail here: the graph has been checked.
    do { try emit(place, node, source) } catch let error as GXError { throw error.at("node \(node.name)") }
    tapeNodes += Array(repeating: node.name, count: tape.count - tapeNodes.count)
  }

  private func emit(_ place: Int, _ node: Graph.Node, _ source: Int) throws {
    switch node.operation {
    case .convolution(_, let window, let groups, let bias):
      try convolution(place, source, window, groups: groups, bias: bias)
    case .linear(_, let bias): try linear(place, source, bias: bias)
    case .batchNorm(let epsilon, let momentum): try batchNorm(place, source, epsilon: epsilon, momentum: momentum)
    case .activation(let activation): try activate(place, source, activation)
    case .pool(let kind, let window): try pool(place, source, kind, window)
    case .globalAveragePool: try globalAveragePool(place, source)
    case .add: try add(place, source, node.inputs[1])
    case .multiply: try multiply(place, source, node.inputs[1])
    case .dropout(let rate): try dropout(place, source, rate: rate)
    case .merge(let groups): try merge(place, source, groups)
    }
  }

  // MARK: Values and gradients

  /// `buffer` in `layout`: itself, or a reordered copy, made once.
  func reordered(_ buffer: Buffer, to layout: Layout) throws -> Buffer {
    if buffer.layout == layout { return buffer }
    let key = ObjectIdentifier(buffer)
    if let known = reorders[key]?.first(where: { $0.layout == layout }) { return known }
    let copy = Buffer(layout)
    try program.addCopy(from: buffer, to: copy)
    reorders[key, default: []].append(copy)
    return copy
  }

  /// The value of `place`, which may be a node fused into the one that is being emitted.
  func set(_ place: Int, _ value: Buffer) {
    values[place] = value
    emitted.insert(place)
  }

  func learns(_ place: Int) -> Bool { learns[place] }

  func reaches(_ place: Int) -> Bool { place >= 0 && needsGradient[place] }

  func contribute(_ gradient: Buffer, to place: Int) {
    if reaches(place) { contributions[place, default: []].append(gradient) }
  }

  /// The gradient of a node whose readers' gradient steps have all been emitted.
  func gradient(_ place: Int) throws -> Buffer {
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
  func gradient(before activation: Activation?, result: Buffer, _ gradient: Buffer) throws -> Buffer {
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

  /// A weight, in the layout that a primitive asked for, or plain.
  func array(_ weight: Graph.Weight, plain: [Int]? = nil, native: Layout? = nil) throws -> NativeArray {
    let plain = try Layout.plain(plain ?? weight.shape)
    let native = native ?? plain
    arrays.append(try weights?.arrays[arrays.count] ?? NativeArray(plain: plain, native: native))
    precondition(arrays.last!.buffer.layout == native, "\(weight.name): shared weights lie otherwise")
    return arrays.last!
  }

  func parameter(_ weight: Graph.Weight, plain: [Int]? = nil, native: Layout? = nil) throws -> Parameter {
    let parameter = try Parameter(weight, array(weight, plain: plain, native: native))
    if weight.isTrained { parameters.append(parameter) } else { state.append(parameter) }
    return parameter
  }

  // MARK: Fusion

  /// The nodes that can be computed together with the one before them.
  struct Tail {
    var batchNorm: Int?
    var addend: Int?
    var activation: Activation?
    var last: Int
  }

  func soleReader(_ place: Int) -> Int? { readers[place].count == 1 ? readers[place][0] : nil }

  /// The node that may take the place of this one's value, which nothing else needs.
  private func fusible(after place: Int) -> Int? { place == watchedPlace ? nil : soleReader(place) }

  func tail(of place: Int) -> Tail {
    var tail = Tail(last: place)
    if !learns(place), let next = fusible(after: tail.last), case .convolution = graph.nodes[place].operation {
      if case .batchNorm = graph.nodes[next].operation, !learns(next) {
        tail.batchNorm = next
        tail.last = next
      }
      if let next = fusible(after: tail.last), case .add = graph.nodes[next].operation, !learns(next) {
        let other = graph.nodes[next].inputs.first { $0 != tail.last }
        if let other, values[other] != nil {
          tail.addend = other
          tail.last = next
        }
      }
    }
    if let next = fusible(after: tail.last), case .activation(let activation) = graph.nodes[next].operation,
      !reaches(tail.last) || activation.usesResult
    {
      tail.activation = activation
      tail.last = next
    }
    return tail
  }

  /// The value of a node's tail; the nodes on the way to its end count as done.
  func finish(_ place: Int, _ tail: Tail, _ value: Buffer) {
    var node = place
    while node != tail.last {
      node = readers[node][0]
      emitted.insert(node)
    }
    values[tail.last] = value
  }
}

extension Buffer {
  /// Values as the caller gives and gets them: pictures NHWC, vectors `[batch, features]`.
  static func outer(_ shape: Shape, batch: Int) throws -> Buffer {
    let sizes = Compiler.sizes(batch, shape)
    return try pinned(sizes.count == 4 ? .channelsLast(sizes) : .plain(sizes))
  }
}
