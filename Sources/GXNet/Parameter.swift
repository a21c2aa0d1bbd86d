import GXCore
import GXGraph

/// An array of weights in the layout that oneDNN computes with, and the plain one behind it.
struct NativeArray {
  let plain: Layout
  let buffer: Buffer

  /// A new array, all zeros.
  init(plain: Layout, native: Layout) throws {
    self.plain = plain
    buffer = try Buffer.pinned(native)
  }

  /// `native` gets the plain `values`; its padding is set to zero.
  func write(_ values: UnsafeMutablePointer<Float>, to native: UnsafeMutablePointer<Float>) throws {
    try copy(plain, values, buffer.layout, native)
  }

  func read(_ native: UnsafeMutablePointer<Float>, to values: UnsafeMutablePointer<Float>) throws {
    try copy(buffer.layout, native, plain, values)
  }

  private func copy(
    _ from: Layout, _ source: UnsafeMutablePointer<Float>, _ to: Layout, _ destination: UnsafeMutablePointer<Float>
  ) throws {
    if from == to { return destination.update(from: source, count: from.byteCount / MemoryLayout<Float>.stride) }
    try OpenMP.alone {
      let reorder = try Primitive.reorder(from: from, to: to)
      let scratchpad = try Buffer.pinned(reorder.layout(Argument.scratchpad))
      try reorder.call([
        (Argument.source, .init(source)), (Argument.destination, .init(destination)),
        (Argument.scratchpad, scratchpad.address),
      ]).run()
    }
  }

  func set(_ values: inout [Float]) throws {
    try values.withUnsafeMutableBufferPointer { try write($0.baseAddress!, to: buffer.floats.baseAddress!) }
  }
}

/// An array that training changes: weights by their gradient, or a running statistic.
///
/// `values` and `gradient` are in oneDNN's own order, with padding that is zero in both. Whatever
/// maps zeros to zero elementwise (any usual optimiser) can go over all elements alike.
public final class Parameter {
  /// As in PyTorch: `stem.weight`, `layer1.bn.running_mean`.
  public let name: String
  /// Of the plain tensor: convolutions OIHW (I of one group), linear layers `[out, in]`, the rest `[channels]`.
  public let shape: Shape
  /// Whether weight decay is for it: not for biases and batch normalisation.
  public let decays: Bool
  /// The weights; to be changed in place.
  public let values: UnsafeMutableBufferPointer<Float>
  /// The loss's derivative by them, after `backward`. Empty for running statistics.
  public let gradient: UnsafeMutableBufferPointer<Float>

  let array: NativeArray
  let gradientBuffer: Buffer?

  init(_ weight: Graph.Weight, _ array: NativeArray) throws {
    name = weight.name
    shape = weight.shape
    decays = weight.role == .weight
    self.array = array
    gradientBuffer = weight.isTrained ? try Buffer.pinned(array.buffer.layout) : nil
    values = array.buffer.floats
    gradient = gradientBuffer?.floats ?? UnsafeMutableBufferPointer(start: nil, count: 0)
  }

  /// The plain tensor of an array that is ordered like `values`.
  public func plain(_ native: UnsafeBufferPointer<Float>) throws -> Tensor {
    precondition(native.count == values.count, "\(name): \(native.count) elements, \(values.count) expected")
    return try Tensor(.f32, shape) {
      try array.read(.init(mutating: native.baseAddress!), to: $0.bindMemory(to: Float.self).baseAddress!)
    }
  }

  /// Orders a plain tensor of any type like `values`. Throws if its shape is another.
  public func native(from tensor: Tensor, into native: UnsafeMutableBufferPointer<Float>) throws {
    precondition(native.count == values.count, "\(name): \(native.count) elements, \(values.count) expected")
    guard tensor.shape == shape else { throw GXError("\(name): shape \(tensor.shape); expected \(shape)") }
    var floats = tensor.floats()
    try floats.withUnsafeMutableBufferPointer { try array.write($0.baseAddress!, to: native.baseAddress!) }
  }
}

extension [Parameter] {
  /// Calls `body` with pieces that make up all elements of all parameters, on all threads that the calling thread's
  /// networks use: for what goes over them elementwise.
  public func forEachPiece(_ body: (_ parameter: Int, _ elements: Range<Int>) -> Void) {
    let size = 1 << 14
    let pieces = indices.flatMap { place in
      let count = self[place].values.count
      return stride(from: 0, to: count, by: size).map { (place, $0..<Swift.min($0 + size, count)) }
    }
    OpenMP.parallel(pieces.count) { body(pieces[$0].0, pieces[$0].1) }
  }
}
