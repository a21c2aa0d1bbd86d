import CModel
import GXCore
import GXModel
import GXStream

extension Model {
  /// What messages call the model in the box.
  public static let inTheBoxName = "the model in the box"

  /// The model that comes with gx. Its weights stay where they lie in the program; nothing is copied.
  public static func inTheBox() throws(GXError) -> Model {
    // Storage keeps an owner alive; a program's own bytes need none.
    final class Program {}
    let bytes = UnsafeRawBufferPointer(start: gx_model_bytes(), count: gx_model_size)
    do throws(GXError) {
      return try Model(Safetensors(parsing: Storage(viewing: bytes, of: Program())))
    } catch {
      throw error.at(inTheBoxName)
    }
  }

  /// The model in a file; where there is no path, the one in the box.
  public init(path: String?) throws(GXError) {
    if let path { try self.init(path: path) } else { self = try Self.inTheBox() }
  }
}
