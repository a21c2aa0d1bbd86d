import CDNNL
import GXCore
import GXGraph

/// What a primitive's arguments are for.
enum Argument {
  static let source = DNNL_ARG_SRC_0
  static let source1 = DNNL_ARG_SRC_1
  static let destination = DNNL_ARG_DST_0
  static let weights = DNNL_ARG_WEIGHTS_0
  static let bias = DNNL_ARG_BIAS
  static let mean = DNNL_ARG_MEAN
  static let variance = DNNL_ARG_VARIANCE
  static let scale = DNNL_ARG_SCALE
  static let shift = DNNL_ARG_SHIFT
  static let workspace = DNNL_ARG_WORKSPACE
  static let scratchpad = DNNL_ARG_SCRATCHPAD
  static let sourceGradient = DNNL_ARG_DIFF_SRC_0
  static let destinationGradient = DNNL_ARG_DIFF_DST_0
  static let weightsGradient = DNNL_ARG_DIFF_WEIGHTS_0
  static let biasGradient = DNNL_ARG_DIFF_BIAS
  static let scaleGradient = DNNL_ARG_DIFF_SCALE
  static let shiftGradient = DNNL_ARG_DIFF_SHIFT
}

/// What is done to a result before it is stored: added to what the destination holds, activated, and scaled.
struct PostOps {
  var sum = false
  var scale: Float = 1
  var activation: Activation?
}

/// A compiled operation on arrays of fixed layouts.
final class Primitive {
  let descriptor: dnnl_primitive_desc_t
  private let handle: dnnl_primitive_t
  /// Whether it takes a batch of pictures for one picture in three dimensions.
  let isAcrossBatch: Bool

  init(
    _ descriptor: dnnl_primitive_desc_t, _ name: String, isAcrossBatch: Bool = false
  ) throws(GXError) {
    var handle: dnnl_primitive_t?
    let status = dnnl_primitive_create(&handle, descriptor)
    if status != dnnl_success { dnnl_primitive_desc_destroy(descriptor) }
    try check(status, "make \(name)")
    self.descriptor = descriptor
    self.handle = handle!
    self.isAcrossBatch = isAcrossBatch
  }

  deinit {
    dnnl_primitive_destroy(handle)
    dnnl_primitive_desc_destroy(descriptor)
  }

  /// The layout that this primitive wants or makes for an argument; empty if it has no such argument.
  func layout(_ argument: CInt) -> Layout {
    let layout = ownLayout(argument)
    guard isAcrossBatch, layout.sizes.count == 5 else { return layout }
    let isFilter = argument == Argument.weights || argument == Argument.weightsGradient
    return layout.picking(isFilter ? [0, 1, 2, 3] : [4, 1, 2, 3])
  }

  /// The same as the primitive sees it.
  private func ownLayout(_ argument: CInt) -> Layout {
    Layout(dnnl_primitive_desc_query_md(descriptor, dnnl_query_exec_arg_md, argument)?.pointee ?? .init())
  }

  /// The name of oneDNN's implementation, `jit:avx2` or the like; `ref` means slow.
  var implementation: String {
    var text: UnsafePointer<CChar>?
    dnnl_primitive_desc_query(descriptor, dnnl_query_impl_info_str, 0, &text)
    return (text.map { String(cString: $0) } ?? "") + (isAcrossBatch ? " across batch" : "")
  }

  /// What it computes: `convolution`, `convolution by weights` (the gradient), `reorder`, …
  var kind: String {
    var (kind, direction) = (dnnl_undefined_primitive, dnnl_prop_kind_undef)
    dnnl_primitive_desc_query(descriptor, dnnl_query_primitive_kind, 0, &kind)
    dnnl_primitive_desc_query(descriptor, dnnl_query_prop_kind, 0, &direction)
    let name = String(cString: dnnl_prim_kind2str(kind)).split(separator: "_").joined(separator: " ")
    switch direction {
    case dnnl_backward_data: return name + " by source"
    case dnnl_backward_weights: return name + " by weights"
    case dnnl_backward: return name + " gradient"
    default: return name
    }
  }

  /// Two for each multiplication with a weight of a convolution or inner product, forward and backward; else 0.
  var flops: Double {
    func sizes(_ argument: CInt, _ gradient: CInt) -> [Int] {
      let sizes = layout(argument).sizes
      return sizes.isEmpty ? layout(gradient).sizes : sizes
    }
    let result = sizes(Argument.destination, Argument.destinationGradient)
    let weights = sizes(Argument.weights, Argument.weightsGradient)
    guard weights.count >= 2, result.count >= 2 else { return 0 }
    // Each element of the result is the sum of as many products as one output channel has weights.
    return 2 * Double(result.reduce(1, *)) * Double(weights.reduce(1, *) / result[1])
  }

  /// A call of the primitive on these arrays, ready to run any number of times. The caller keeps
  /// the memory, laid out as `layout` says.
  func call(_ arguments: [(argument: CInt, address: UnsafeMutableRawPointer)]) throws -> Call {
    var list: [dnnl_exec_arg_t] = []
    let call = Call(self)
    for (argument, address) in arguments {
      var memory: dnnl_memory_t?
      var descriptor = ownLayout(argument).descriptor
      try check(dnnl_memory_create(&memory, &descriptor, Engine.cpu().engine, address), "bind memory")
      call.memories.append(memory!)
      list.append(dnnl_exec_arg_t(arg: argument, memory: memory))
    }
    call.arguments = list
    return call
  }

  final class Call {
    let primitive: Primitive
    var arguments: [dnnl_exec_arg_t] = []
    var memories: [dnnl_memory_t] = []

    init(_ primitive: Primitive) { self.primitive = primitive }

    deinit { for memory in memories { dnnl_memory_destroy(memory) } }

    func run() throws(GXError) {
      let stream = try Engine.cpu().stream
      try check(
        dnnl_primitive_execute(primitive.handle, stream, CInt(arguments.count), arguments), "run a primitive")
    }
  }
}
