import CDNNL
import GXCore

// All that gx says to oneDNN is in this folder. It speaks the v2 C API; v3 makes primitive descriptors without the
// operation descriptors in between.

/// Throws what oneDNN said, if it was not "success".
func check(_ status: dnnl_status_t, _ action: @autoclosure () -> String) throws(GXError) {
  guard status != dnnl_success else { return }
  throw GXError("oneDNN cannot \(action()): \(String(cString: dnnl_status2str(status)))")
}

/// The processor, and the one queue on which everything runs in order.
struct Engine {
  let engine: dnnl_engine_t
  let stream: dnnl_stream_t

  /// Made at first use, kept until the process ends.
  nonisolated(unsafe) private static let made: Result<Engine, GXError> = {
    var engine: dnnl_engine_t?
    var stream: dnnl_stream_t?
    do throws(GXError) {
      try check(dnnl_engine_create(&engine, dnnl_cpu, 0), "use this processor")
      try check(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags.rawValue), "make a stream")
      return .success(Engine(engine: engine!, stream: stream!))
    } catch {
      return .failure(error)
    }
  }()

  static func cpu() throws(GXError) -> Engine { try made.get() }
}

/// What the numbers of pictures inside a network are.
public enum Precision: String, CaseIterable, Sendable {
  case f32
  /// The upper half of an f32: its range, with 8 bits of precision. Weights, sums and statistics stay f32.
  case bf16

  /// Whether the processor has instructions for it.
  public var isFast: Bool {
    switch self {
    case .f32: true
    case .bf16: dnnl_get_effective_cpu_isa().rawValue & Self.bf16Bits == Self.bf16Bits
    }
  }

  private static let bf16Bits = dnnl_cpu_isa_avx512_core_bf16.rawValue

  var type: dnnl_data_type_t { self == .f32 ? dnnl_f32 : dnnl_bf16 }
}
