import GXCore

/// Pixels to the numbers that a net takes: divided by full scale (255, 65535, or 1 for floats), then,
/// if asked for, standardised by a mean and a standard deviation.
public struct Normalize: PixelStep, Equatable {
  public enum Method: Equatable, Sendable {
    /// Full scale becomes 1.
    case unit
    /// (unit - mean) / std, one value for all channels or one a channel.
    case standard(mean: [Double], std: [Double])
  }

  public static let name = "normalize"

  /// The statistics of ImageNet's RGB, as torchvision's pretrained models expect them.
  public static let imageNet = Method.standard(mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225])

  public let method: Method
  /// The result's type: `f32` or `f16`.
  public let dtype: DType

  /// - Throws: `GXError` naming the parameter that is out of range.
  public init(_ method: Method = .unit, dtype: DType = .f32) throws(GXError) {
    guard dtype.isFloat else { throw GXError("normalize: dtype \(dtype.name) is not f32 or f16") }
    var method = method
    if case .standard(let mean, let std) = method {
      guard !mean.isEmpty, mean.count == std.count else {
        throw GXError("normalize: \(mean.count) means and \(std.count) standard deviations")
      }
      guard mean.allSatisfy(\.isFinite) else { throw GXError("normalize: mean is not finite") }
      guard std.allSatisfy({ $0.isFinite && $0 > 0 }) else { throw GXError("normalize: std is not positive") }
      // One spelling for one meaning, for provenance is compared as text.
      if mean.allSatisfy({ $0 == mean[0] }) && std.allSatisfy({ $0 == std[0] }) {
        method = .standard(mean: [mean[0]], std: [std[0]])
      }
    }
    self.method = method
    self.dtype = dtype
  }

  // MARK: JSON

  private enum MethodName: String, CaseIterable { case unit, standard }

  /// `mean` and `std` are there with method "standard" alone.
  public var fields: JSONObject {
    var fields: JSONObject = [:]
    switch method {
    case .unit: fields["method"] = .string(MethodName.unit.rawValue)
    case .standard(let mean, let std):
      fields["method"] = .string(MethodName.standard.rawValue)
      fields["mean"] = .array(mean.map(JSON.double))
      fields["std"] = .array(std.map(JSON.double))
    }
    fields["dtype"] = .string(dtype.name)
    return fields
  }

  public init(_ fields: inout JSONFields) throws(GXError) {
    let method: Method =
      switch try fields.required("method", .choice(MethodName.self)) {
      case .unit: .unit
      case .standard:
        .standard(
          mean: try fields.required("mean", .list(.number)), std: try fields.required("std", .list(.number)))
      }
    let types = [DType.f32, .f16].map { (name: $0.name, value: $0) }
    try self.init(method, dtype: try fields.required("dtype", .choice(types)))
  }

  // MARK: Pixels

  /// A picture of the same shape, of type `dtype`.
  public func apply(_ picture: Tensor) throws -> Tensor {
    let (mean, std) = try statistics(channels: picture.pictureSize().channels)
    func run<In: PixelElement, Out: PixelElement>(_: In.Type, _: Out.Type) throws -> Tensor {
      try Tensor(dtype, picture.shape) { out in
        picture.withElements(of: In.self) { source in
          standardise(
            source, mean, std, fullScale: picture.dtype.fullScale,
            to: out.baseAddress!.assumingMemoryBound(to: Out.self))
        }
      }
    }
    func run<Out: PixelElement>(to out: Out.Type) throws -> Tensor {
      switch picture.dtype {
      case .u8: try run(UInt8.self, out)
      case .u16: try run(UInt16.self, out)
      case .f16: try run(Float16.self, out)
      case .f32: try run(Float.self, out)
      }
    }
    return dtype == .f16 ? try run(to: Float16.self) : try run(to: Float.self)
  }

  /// Nothing of it: it changes units alone.
  public func visible(_ picture: Tensor) -> Tensor { picture }

  /// The picture that became `picture` by this step, in f32, where full scale is 1.
  public func undo(_ picture: Tensor) throws -> Tensor {
    let channels = try picture.pictureSize().channels
    let (mean, std) = try statistics(channels: channels)
    var values = picture.floats()
    for i in values.indices { values[i] = values[i] * std[i % channels] + mean[i % channels] }
    return try Tensor(picture.shape, values)
  }

  /// For each channel what is taken off, and by what the rest is divided.
  private func statistics(channels: Int) throws(GXError) -> (mean: [Float], std: [Float]) {
    guard case .standard(let means, let stds) = method else {
      return ([Float](repeating: 0, count: channels), [Float](repeating: 1, count: channels))
    }
    guard means.count == 1 || means.count == channels else {
      throw GXError("normalize: \(means.count) means for \(channels) channels")
    }
    func each(_ values: [Double]) -> [Float] { (0..<channels).map { Float(values[values.count == 1 ? 0 : $0]) } }
    return (each(means), each(stds))
  }
}

// Divisions, not multiplications by reciprocals: the results are then NumPy's and torchvision's to the bit.
private func standardise<In: PixelElement, Out: PixelElement>(
  _ source: UnsafeBufferPointer<In>, _ mean: [Float], _ std: [Float], fullScale: Float,
  to out: UnsafeMutablePointer<Out>
) {
  let pixels = source.baseAddress!
  if mean.allSatisfy({ $0 == 0 }) && std.allSatisfy({ $0 == 1 }) {
    for i in 0..<source.count { out[i] = Out(nearest: pixels[i].float / fullScale) }
    return
  }
  mean.withUnsafeBufferPointer { mean in
    std.withUnsafeBufferPointer { std in
      var i = 0
      while i < source.count {
        for c in 0..<mean.count {
          out[i &+ c] = Out(nearest: (pixels[i &+ c].float / fullScale - mean[c]) / std[c])
        }
        i &+= mean.count
      }
    }
  }
}
