import GXCore

/// What is told of each type of galaxy.
enum GalaxyTypes {
  /// `description` and `examples` of a class by its name in the model; of a model's own classes nothing is known.
  static func info(_ name: String) -> JSON {
    let known = types[name.lowercased()]
    return [
      "description": .string(known?.description ?? "A class of this model's own; no description comes with it."),
      "examples": .array((known?.examples ?? []).map(JSON.string)),
    ]
  }

  private static let types: [String: (description: String, examples: [String])] = [
    "spiral": (
      "A flat, rotating disk with arms that wind out of a central bulge or bar. Gas and dust in the arms still form "
        + "stars, and the young ones make them blue.",
      ["Andromeda Galaxy (M31)", "Whirlpool Galaxy (M51)", "Pinwheel Galaxy (M101)"]
    ),
    "elliptical": (
      "A smooth, round to elongated swarm of mostly old, red stars, brightest in the centre, with little gas and no "
        + "disk. The largest galaxies known are of this type.",
      ["M87 (Virgo A)", "M49", "M32"]
    ),
    "lenticular": (
      "A disk with a bright bulge, like a spiral's, but without arms: most of its gas is used up or lost, and few new "
        + "stars form. Seen from the side it has the shape of a lens.",
      ["Spindle Galaxy (NGC 5866)", "NGC 2787", "NGC 3115"]
    ),
    "irregular": (
      "A galaxy without a regular form: no bulge, no arms, often small, rich in gas and forming stars in clumps; or "
        + "one that an encounter with another has pulled apart.",
      ["Large Magellanic Cloud", "Small Magellanic Cloud", "NGC 1427A"]
    ),
  ]
}
