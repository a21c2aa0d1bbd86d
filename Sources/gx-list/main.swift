// gx-list: files and folders to a manifest.
//
// stdin: nothing. stdout: NDJSON, a row a picture: id, path, label, split, and the label file's other columns. What
// is wrong with one picture or one row of the label file is a row with "error", and named on stderr.

import GXCommand
import GXCore
import GXStream

let command = Command(
  "gx-list", "list pictures with their labels and splits",
  synopsis: "[FILE|FOLDER]... > MANIFEST",
  about: """
    Lists the pictures (\(Files.extensions.joined(separator: ", "))) in FOLDERs and below, in bytewise order, without hidden ones. The id is the
    path below the FOLDER without its extension; with several operands, the whole path.

    --labels names a CSV whose rows name pictures by path (from the CSV's folder or a FOLDER), by file name, or by
    file name without extension. Columns are known by common names (path, filename, GalaxyID, ...; label, class, ...;
    split), else the first two are picture and label; other columns become fields. Pictures without a row and rows
    without a picture become rows with "error". Without FOLDERs, the CSV's rows are listed.

    --map Class1=spiral,... renames labels; --classes says which there are, then any other is an error. Without a
    label column the map's names may be columns of votes or probabilities: the highest of them gives the label.

    --split shares each label's pictures out by a hash of their ids, so that the shares are exact, and the same
    whenever it is run; a split that the CSV gives is kept.
    """,
  options: [
    Option("labels", nil, "CSV", "take labels from this file"),
    Option("class-per-folder", nil, nil, "take each picture's folder's name as its label"),
    Option("map", nil, "A=B,...", "rename labels"),
    Option("classes", nil, "A,B", "the only labels there are; any other is an error"),
    .shares,
    .seed,
    Option("path-column", nil, "NAME|N", "the CSV's column that names the picture"),
    Option("label-column", nil, "NAME|N", "the CSV's column that holds the label"),
    Option("split-column", nil, "NAME|N", "the CSV's column that holds the split"),
    Option("header", nil, nil, "the CSV's first row holds names [if it looks like it]"),
    Option("no-header", nil, nil, "the CSV's first row is data"),
    .output, .maxErrors,
  ],
  examples: [
    "gx-list images/ --labels labels.csv > manifest.ndjson",
    "gx-list images/ --labels train_label.csv --map Class1=elliptical,Class2=spiral --shares 70:15:15",
    "gx-list photos/ --class-per-folder --shares 80:20 | gx-decode > photos.tar",
  ])

command.main { arguments in
  if arguments.has("labels") && arguments.has("class-per-folder") {
    throw UsageError("--labels and --class-per-folder: labels come from one of them")
  }
  if arguments.operands.isEmpty && !arguments.has("labels") { throw UsageError("no FILE or FOLDER, and no --labels") }
  let map = try LabelMap(map: arguments.string("map"), classes: arguments.string("classes"))
  let shares = try arguments[Option.shares]
  let seed = try arguments.seed()
  let table = try arguments.string("labels").map { try LabelTable(path: $0, arguments, map: map) }
  for note in table?.notes ?? [] { Log.note(note) }
  let pictures = try Files.pictures(arguments.operands)
  var entries = ids(of: pictures, single: arguments.operands.count == 1)
  if let table {
    let folder = Files.folder(of: table.path)
    if arguments.operands.isEmpty {
      entries = table.rows.map { Entry($0, in: folder) }
      tellApart(&entries, table)
      refuseRepeats(in: &entries, table)
    } else {
      label(&entries, of: pictures, by: table, in: [folder] + arguments.operands)
    }
  } else if arguments.has("class-per-folder") {
    for i in entries.indices { entries[i].setLabelFromFolder() }
  }
  let labelled = table != nil || arguments.has("class-per-folder")
  for i in entries.indices { entries[i].rename(with: map, required: labelled) }
  let without = entries.count { $0.label == nil && $0.error == nil }
  if labelled && without > 0 { Log.note("\(without) of \(entries.count) pictures have no label") }
  if let shares { share(&entries, shares, seed: seed) }

  return try arguments.run { output, tally in
    let writer = output.rows()
    for entry in entries {
      tally.add(entry.path, error: entry.error)
      try writer.write(entry.row)
    }
    if entries.isEmpty { Log.note("no pictures (\(Files.extensions.joined(separator: ", "))) found") }
  }
}

/// Gives rows about different files, whose names without extension are the same, their whole names as ids.
func tellApart(_ entries: inout [Entry], _ table: LabelTable) {
  var paths: [Name: Set<Name>] = [:]
  for entry in entries { paths[Name(entry.id), default: []].insert(Name(entry.path)) }
  for i in entries.indices where paths[Name(entries[i].id)]!.count > 1 { entries[i].id = table.rows[i].name }
}

/// Where two rows are about one picture, neither can be believed.
func refuseRepeats(in entries: inout [Entry], _ table: LabelTable) {
  var places: [Name: Int] = [:]
  for i in entries.indices {
    guard let first = places[Name(entries[i].path)] else {
      places[Name(entries[i].path)] = i
      continue
    }
    let lines = "lines \(table.rows[first].line) and \(table.rows[i].line)"
    for place in [first, i] { entries[place].error = "\(lines) of \(table.path) are both about it" }
  }
}

/// Entries with their ids, which come of the path below the folder.
func ids(of pictures: [Picture], single: Bool) -> [Entry] {
  let names = pictures.map { single ? $0.relative : $0.path }
  return zip(pictures, Key.ids(paths: names)).map { Entry(id: $1, path: $0.path, error: $0.error) }
}

/// Gives pictures their rows. What is left over on either side becomes an error.
func label(_ entries: inout [Entry], of pictures: [Picture], by table: LabelTable, in folders: [String]) {
  let index = PictureIndex(pictures, folders: folders.map(Files.canonical))
  var lines = [Int?](repeating: nil, count: entries.count)
  var rest: [Entry] = []
  for row in table.rows {
    let places = index.places(of: row.name)
    if places.count == 1, let first = lines[places[0]] {
      entries[places[0]].error = "lines \(first) and \(row.line) of \(table.path) are both about it"
    } else if places.count == 1 {
      entries[places[0]].take(row)
      lines[places[0]] = row.line
    } else if !places.isEmpty || !index.existsElsewhere(row.name) {
      let id = Files.isPicture(row.name) ? Key.id(path: row.name) : row.name
      let which =
        places.isEmpty ? "no such picture" : "may be \(places.map { entries[$0].path }.joined(separator: " or "))"
      rest.append(Entry(id: id, path: row.name, error: "\(table.path), line \(row.line): \(which)"))
    }
  }
  for i in entries.indices where lines[i] == nil && entries[i].error == nil {
    entries[i].error = "has no row in \(table.path)"
  }
  entries += rest
}

/// Shares out what has no split yet: in each label, in the order of the ids' hashes.
func share(_ entries: inout [Entry], _ shares: SplitShares, seed: UInt64) {
  var groups: [Name: [(hash: UInt64, place: Int)]] = [:]
  for (i, entry) in entries.enumerated() where entry.split == nil && entry.error == nil {
    groups[Name(entry.label ?? ""), default: []].append((stableHash(entry.id, seed: seed), i))
  }
  for group in groups.values {
    for (rank, one) in group.sorted(by: { ($0.hash, $0.place) < ($1.hash, $1.place) }).enumerated() {
      entries[one.place].split = shares.name(at: (Double(rank) + 0.5) / Double(group.count))
    }
  }
}
