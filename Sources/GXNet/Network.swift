import GXCore
import GXGraph
import Synchronization

/// A graph compiled for one batch size, with its weights and memory.
///
/// Not to be used by two threads at once; best always by the same one, for each thread that calls has
/// its own pool of workers. On one machine, with one number of threads, the same weights, input and
/// seed give the same bits, run after run.
public final class Network {
  public let graph: Graph
  public let batch: Int
  public let training: Bool
  /// What the network computes with: f32 where bf16 was asked for and is not fast.
  public var precision: Precision { compiled.precision }
  /// How many threads it was made for.
  public let threads: Int
  /// NHWC, `[batch, height, width, channels]`; the caller fills it before `forward`.
  public let input: UnsafeMutableBufferPointer<Float>
  /// What a gradient step changes, in the graph's order. Empty in inference and without frozen nodes' weights,
  /// where batch normalisation is folded away.
  public let parameters: [Parameter]
  /// Running means and variances, in the graph's order, which `forward` changes. Empty in inference.
  public let state: [Parameter]
  /// Of the node that is watched: its value after `forward`, and after `backward` its gradient, pictures NHWC.
  public let watched: (value: UnsafeBufferPointer<Float>, gradient: UnsafeBufferPointer<Float>)?
  /// Of the watched node's value for one picture.
  public let watchedShape: Shape?

  private let compiled: Compiler
  /// Inference of a batch: a compilation for one picture on one thread for each thread, `compiled` first. So a
  /// picture's arrays stay in its core's cache, and threads need not meet after every layer. Empty elsewhere.
  private let lanes: [Compiler]
  private let buffers: (input: Buffer, output: Buffer)
  private var seed: UInt64 = 0
  /// What frozen nodes were given is kept, because what they compute with cannot be turned back.
  private var loaded: [String: Tensor] = [:]

  /// Compiles `graph`. The weights are zeros until `initialize` or `load`.
  ///
  /// - Parameters:
  ///   - batch: samples in each run. A caller with fewer fills up with anything.
  ///   - training: with a backward pass; batch statistics, dropout.
  ///   - precision: of the pictures between layers. bf16 takes less time and half the memory of f32, and leaves
  ///     logits about 1 % off; it is used only where the processor has instructions for it (see `precision`).
  ///   - frozen: names of nodes that are computed as in inference even in training: batch normalisation uses its
  ///     running statistics, weights stay as they are. Nothing that they read may learn.
  ///   - watching: name of a node of an inference network whose value and gradient are wanted: see `watched`.
  ///   - sharing: a network of the same graph, precision and number of threads, whose weights this one computes with, too.
  ///   - threads: for this and all later work of the calling thread; nil leaves it to OpenMP (all cores,
  ///     or `OMP_NUM_THREADS`). In inference of a batch each takes one picture after another. Else they meet after
  ///     every layer, so that on a busy machine several networks of one thread each get more done.
  /// - Throws: if the graph is not complete, or memory or a limit is exceeded.
  public init(
    graph: Graph, batch: Int, training: Bool, precision: Precision = .f32, frozen: Set<String> = [],
    watching: String? = nil, sharing weights: Network? = nil, threads: Int? = nil
  ) throws {
    precondition(!training || watching == nil && weights == nil, "only inference can be watched, or share its weights")
    if let threads { OpenMP.setThreads(max(threads, 1)) }
    let threads = OpenMP.threads
    self.threads = threads
    guard batch >= 1, batch <= Graph.sizeLimit else { throw GXError("batch \(batch) is not in 1...\(Graph.sizeLimit)") }
    if training || batch == 1 || watching != nil {
      compiled = try Compiler(
        graph, batch: batch, training: training, precision: precision, frozen: frozen, watching: watching,
        sharing: weights?.compiled)
      lanes = []
      buffers = (compiled.input, compiled.logits)
    } else {
      lanes = try OpenMP.alone {
        let first = try Compiler(graph, batch: 1, training: false, precision: precision, sharing: weights?.compiled)
        return try [first]
          + (1..<min(threads, batch)).map { _ in
            try Compiler(graph, batch: 1, training: false, precision: precision, sharing: first)
          }
      }
      compiled = lanes[0]
      buffers = (try .outer(graph.input, batch: batch), try .outer(graph.output, batch: batch))
    }
    (self.graph, self.batch, self.training) = (graph, batch, training)
    input = buffers.input.floats
    parameters = compiled.parameters
    state = compiled.state
    watched = compiled.watched.map { (.init($0.value.floats), .init($0.gradient.floats)) }
    watchedShape = watching.flatMap { name in graph.nodes.first { $0.name == name }?.shape }
  }

  /// Where the time of each step goes since `startProfile`; nil before.
  public var profile: Profile? {
    guard var sum = compiled.program.profile else { return nil }
    for lane in lanes.dropFirst() { sum.add(lane.program.profile!) }
    return sum
  }

  /// Begins to measure every step, which costs about 0.1 us each.
  public func startProfile() {
    for each in lanes.isEmpty ? [compiled] : lanes {
      each.program.startProfile(threads: lanes.isEmpty ? threads : 1)
    }
  }

  /// Runs `body`, whose time goes under `name` into the profile, if there is one.
  public func measure<R>(_ name: String, _ body: () throws -> R) rethrows -> R {
    try compiled.program.measure(name, body)
  }

  /// How many threads networks of the calling thread use.
  public static var threads: Int { OpenMP.threads }

  /// How many threads all networks use from now on that the calling thread builds or runs.
  public static func setThreads(_ count: Int) { OpenMP.setThreads(count) }

  /// Bytes for activations and their gradients, without weights.
  public var activationBytes: Int { compiled.program.arenaBytes * max(lanes.count, 1) }

  /// Draws new weights as `graph.initializer` says.
  public func initialize(random: inout Random) throws {
    let tensors = try graph.initialWeights(random: &random)
    try load(Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.tensor) }))
  }

  /// Runs the batch in `input` and gives its logits, `[batch, classes]`, valid until the next run. Where the last
  /// node gives a picture (see `Graph.prefix`), it is that, NHWC.
  ///
  /// Training normalises by the batch's statistics, moves the running ones, and draws dropout from
  /// `seed`; inference does neither.
  public func forward(seed: UInt64 = 0) throws -> UnsafeBufferPointer<Float> {
    self.seed = seed
    if lanes.isEmpty {
      try compiled.program.run(0..<compiled.forwardCount, seed: seed)
    } else {
      try forwardSingly()
    }
    return UnsafeBufferPointer(buffers.output.floats)
  }

  /// Each lane takes the next picture that no other has.
  private func forwardSingly() throws {
    let next = Atomic(0)
    let failure = Mutex<(any Error)?>(nil)
    let output = buffers.output.floats
    OpenMP.parallel(lanes.count) { lane in
      let lane = lanes[lane]
      let (picture, result) = (lane.input.floats, lane.logits.floats)
      do {
        while true {
          let place = next.add(1, ordering: .relaxed).oldValue
          guard place < batch else { return }
          _ = picture.update(fromContentsOf: input[place * picture.count..<(place + 1) * picture.count])
          try lane.program.run(0..<lane.forwardCount, seed: 0)
          _ = UnsafeMutableBufferPointer(rebasing: output[place * result.count..<(place + 1) * result.count])
            .update(fromContentsOf: result)
        }
      } catch {
        failure.withLock { $0 = error }
      }
    }
    if let failure = failure.withLock({ $0 }) { throw failure }
  }

  /// Fills every parameter's gradient, or that of the watched value, given the loss's derivative by the logits of
  /// the last `forward`, `[batch, classes]`. Training or watching only, once after each `forward`: its memory is
  /// used up.
  public func backward(_ logitsGradient: UnsafeBufferPointer<Float>) throws {
    guard let buffer = compiled.logitsGradient else { throw GXError("the network was made without a backward pass") }
    precondition(logitsGradient.count == buffer.floats.count, "gradient of \(logitsGradient.count) logits")
    _ = buffer.floats.update(from: logitsGradient)
    try compiled.program.run(compiled.forwardCount..<compiled.program.count, seed: seed)
  }

  /// All weights and running statistics as plain f32 tensors in PyTorch's layouts, in the graph's order. Not of
  /// inference, which keeps them in no order but its own.
  public func weights() throws -> [(name: String, tensor: Tensor)] {
    let arrays = Dictionary(uniqueKeysWithValues: (parameters + state).map { ($0.name, $0) })
    return try graph.nodes.indices.flatMap { graph.weights(of: $0) }.map { weight in
      if let array = arrays[weight.name] { return (weight.name, try array.plain(.init(array.values))) }
      guard let tensor = loaded[weight.name] else { throw GXError("network keeps no plain weights") }
      return (weight.name, tensor)
    }
  }

  /// Takes plain tensors, f32 or f16, exactly those that `weights` gives. Throws an error that names
  /// what is missing, left over, or of another shape; then nothing has been changed.
  public func load(_ tensors: [String: Tensor]) throws {
    let expected = graph.nodes.indices.flatMap { graph.weights(of: $0) }
    for weight in expected {
      guard let tensor = tensors[weight.name] else { throw GXError("weights: no tensor \(weight.name)") }
      guard tensor.shape == weight.shape else {
        throw GXError("weights: \(weight.name) has shape \(tensor.shape); the graph needs \(weight.shape)")
      }
      guard tensor.dtype.isFloat else {
        throw GXError("weights: \(weight.name) is \(tensor.dtype.name), not f32 or f16")
      }
    }
    if tensors.count > expected.count {
      let extra = Set(tensors.keys).subtracting(expected.map(\.name)).sorted()
      throw GXError("weights: the graph has no tensor \(extra.joined(separator: ", "))")
    }
    loaded = training ? tensors : [:]
    for parameter in parameters + state {
      try parameter.native(from: tensors[parameter.name]!, into: parameter.values)
      loaded[parameter.name] = nil
    }
    for loader in compiled.loaders { try loader(tensors) }
  }
}
