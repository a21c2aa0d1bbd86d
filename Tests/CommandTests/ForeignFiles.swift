import Foundation

// Files that gx would not write, byte by byte.

/// A NumPy array of version 1.
func npy(_ type: String, _ shape: String, _ values: Data) -> Data {
  let header = "{'descr': '\(type)', 'fortran_order': False, 'shape': (\(shape)), }"
  let text = header + String(repeating: " ", count: 117 - header.utf8.count) + "\n"
  return Data([0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0]) + Data(text.utf8) + values
}

/// What is behind the header of a NumPy array of version 1.
func npyValues(_ file: Data) -> Data { file.dropFirst(10 + Int(file[8]) + Int(file[9]) << 8) }

/// A value's bytes as they stand in files.
func littleEndian(_ value: Float) -> Data { withUnsafeBytes(of: value.bitPattern.littleEndian) { Data($0) } }

/// A safetensors file, from its header and data.
func safetensors(_ header: [String: Any], _ data: Data) throws -> Data {
  let text = try JSONSerialization.data(withJSONObject: header)
  return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) } + text + data
}

/// Writes the safetensors file `from` to `to`, changed.
/// - Parameter edit: Gets the header, and the data.
func edit(_ from: URL, _ to: URL, _ edit: (inout [String: Any], inout Data) -> Void) throws {
  let file = try Data(contentsOf: from)
  let length = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
  var header = try JSONSerialization.jsonObject(with: file[8..<8 + length]) as! [String: Any]
  var data = Data(file[(8 + length)...])
  edit(&header, &data)
  try safetensors(header, data).write(to: to)
}

/// Where a tensor's bytes are, by a safetensors file's header.
func offsets(_ header: [String: Any], _ name: String) -> Range<Int> {
  let ends = (header[name] as! [String: Any])["data_offsets"] as! [Int]
  return ends[0]..<ends[1]
}
