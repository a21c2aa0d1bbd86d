/// The version that every command answers to `--version`.
public let gxVersion = "0.1.0"
