// Results as rows, to be saved.

/** A row as POST /api/classify/batch gives it. */
function row({ name, result, fault }) {
  if (fault) return { id: name, success: false, error: fault.error, message: fault.message };
  const { success, galaxy_type, confidence, confidence_percentage, all_predictions } = result;
  return { id: name, success, galaxy_type, confidence, confidence_percentage, all_predictions };
}

/** One JSON object a line. */
export function ndjson(items) { return items.map((item) => JSON.stringify(row(item)) + "\n").join(""); }

/** Comma-separated values (RFC 4180): a line a picture, a column a class. */
export function csv(items, classes) {
  const chances = classes.map((name) => `probability_${name}`);
  const lines = [["id", "galaxy_type", "confidence", ...chances, "error", "message"]];
  for (const item of items) {
    const { id, galaxy_type, confidence, all_predictions, error, message } = row(item);
    const of = new Map((all_predictions ?? []).map((one) => [one.class, one.probability]));
    lines.push([id, galaxy_type, confidence, ...classes.map((name) => of.get(name)), error, message]);
  }
  return lines.map((cells) => cells.map(cell).join(",") + "\r\n").join("");
}

/** Text that a spreadsheet would take for a formula gets an apostrophe in front: names of files are anybody's. */
function cell(value) {
  if (value === undefined || value === null) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r\n＝＋－＠]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Hands a text to the browser to be saved. */
export function save(text, type, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  // A browser may read it a moment later.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
