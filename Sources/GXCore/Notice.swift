/// What a library has to say to the person at the shell. It is handed a `Tell` to say it with; how it looks, and whether
/// `-q` silences it, is for commands to know.
public enum Notice: Sendable {
  /// Something is wrong, though the work goes on.
  case error(String)
  /// Worth knowing, not wrong.
  case note(String)
  /// What another program may wait for.
  case always(String)
}

public typealias Tell = @Sendable (Notice) -> Void
