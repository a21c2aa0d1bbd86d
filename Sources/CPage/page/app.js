// The page: what was added, what became of it, and what of it is shown.

import { Card, hue } from "./card.js";
import { takeFiles } from "./intake.js";
import { ask, currentKey, Queue, Refusal, useKey } from "./requests.js";
import { csv, ndjson, save } from "./rows.js";

const $ = (id) => document.getElementById(id);

/** How many results are on the page at once, however many there are. */
const pageSize = 48;

/** In the order in which they were added: { name, file, state: waiting|running|done|failed, result, fault,
    heat: per cent, map, explained: class }. */
let items = [];
const counts = { waiting: 0, running: 0, done: 0, failed: 0 };
let perClass = new Map();
let classes = [];

const view = { filter: null, order: "added", page: 0, heat: 0 };
/** The cards on the page, by item. */
let cards = new Map();

const queue = new Queue({ onPause: showPause, onLocked: wantKey });

// The server

async function meetServer() {
  try {
    const info = await ask("/api/info");
    classes = info.classes;
    const names = new Intl.ListFormat("en-GB").format(classes);
    $("model").textContent = classes.length <= 8 ? `tells apart ${names}` : `tells ${classes.length} classes apart`;
    $("trouble").hidden = $("key").hidden = true;
    $("forget").hidden = !currentKey();
    $("key-fault").textContent = "";
    queue.unlock();
    return true;
  } catch (error) {
    if (error.status === 401) wantKey(error);
    else if (error.status === 403 && currentKey()) {
      wantKey(new Refusal(403, error.error, "This key may not classify pictures."));
    } else {
      $("trouble").textContent = `The server does not answer as it should: ${error.message}`;
      $("trouble").hidden = false;
    }
    return false;
  }
}

function wantKey(error) {
  const wasHidden = $("key").hidden;
  $("key").hidden = false;
  $("forget").hidden = true;
  if (currentKey()) {
    $("key-fault").textContent = error.status === 403 ? error.message : "The server does not know this key.";
  }
  if (wasHidden) $("key-text").focus();
}

$("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  useKey($("key-text").value.trim());
  if (await meetServer()) {
    $("key-text").value = "";
    say("The key is accepted.");
    $("files").focus();
  } else {
    useKey("");
    $("key-text").select();
  }
});

$("forget").addEventListener("click", () => {
  useKey("");
  location.reload();
});

async function showVersion() {
  try { $("version").textContent = `gx-serve ${(await ask("/api/health")).version}`; } catch { /* A nicety. */ }
}

// Adding

function add(files) {
  if (!files.length) return;
  const added = files.map(({ file, name }) => ({ name, file, state: "waiting", heat: 0 }));
  counts.waiting += added.length;
  items = items.concat(added);
  for (const item of added) classify(item);
  invalidate();
}

async function classify(item) {
  try {
    const result = await queue.run((signal) => {
      become(item, "running");
      return ask("/api/classify", { body: item.file, signal });
    });
    item.result = result;
    become(item, "done");
  } catch (error) {
    item.fault = error.name === "AbortError" ? new Refusal(0, "Stopped", "Stopped before it was classified.") : error;
    become(item, "failed");
  }
}

function retry(failed) {
  for (const item of failed) {
    item.fault = undefined;
    become(item, "waiting");
    classify(item);
  }
}

function become(item, state) {
  if (item.isGone) return;
  counts[item.state] -= 1;
  counts[state] += 1;
  item.state = state;
  if (state === "done") perClass.set(item.result.galaxy_type, (perClass.get(item.result.galaxy_type) ?? 0) + 1);
  cards.get(item)?.update();
  invalidate();
}

const explain = async (item, name) => {
  const path = `/api/explain?class=${encodeURIComponent(name)}`;
  return (await queue.run((signal) => ask(path, { body: item.file, signal }), { urgent: true })).map;
};

takeFiles(add, say);

// Showing

let isDue = false;
let sorted = { at: 0, shown: [] };

/** Brings the page up to date, once for all changes since the last time. */
function invalidate() {
  if (isDue) return;
  isDue = true;
  // A timer and not a frame: pages in the background go on, slowly.
  setTimeout(() => {
    isDue = false;
    render();
  }, 100);
}

function render() {
  document.body.classList.toggle("busy", items.length > 0);
  $("summary").hidden = $("results").hidden = items.length === 0;
  showTotals();
  showProgress();
  showList();
}

/** What the filter lets through, in order. Of a long list, not for every change. */
function shown() {
  const { filter, order } = view;
  if (filter === null && order === "added") return items;
  const isOld = sorted.filter !== filter || sorted.order !== order || sorted.items !== items;
  if (!isOld && performance.now() - sorted.at < 1000) {
    setTimeout(invalidate, 1000);
    return sorted.shown;
  }
  const kept = items.filter((item) => {
    if (filter === null) return true;
    return filter === "failed" ? item.fault : item.result?.galaxy_type === filter;
  });
  const sign = order === "certain" ? -1 : 1;
  const rank = (item) => (item.result ? sign * item.result.confidence : 2);
  if (order !== "added") kept.sort((a, b) => rank(a) - rank(b));
  sorted = { filter, order, items, shown: kept, at: performance.now() };
  return kept;
}

function showList() {
  const all = shown();
  const pages = Math.max(1, Math.ceil(all.length / pageSize));
  view.page = Math.min(view.page, pages - 1);
  const first = view.page * pageSize;
  const now = all.slice(first, first + pageSize);

  const focused = document.activeElement;
  const old = cards;
  const settings = { classes, explain, retry: (item) => retry([item]), isOpen: items.length <= 4 };
  cards = new Map(now.map((item) => {
    if (!old.has(item)) item.heat ||= view.heat;
    return [item, old.get(item) ?? new Card(item, settings)];
  }));
  for (const [item, card] of old) if (!cards.has(item)) card.element.remove();
  let place = $("list").firstElementChild;
  for (const card of cards.values()) {
    if (card.element === place) place = place.nextElementSibling;
    else $("list").insertBefore(card.element, place);
    card.appear();
  }
  if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });

  $("list").dataset.count = now.length === 1 && !now[0].result ? "few" : now.length;
  $("list").start = first + 1;
  $("nothing").hidden = now.length > 0;
  $("pages").hidden = pages === 1;
  $("page").textContent = `${number(first + 1)} to ${number(first + now.length)} of ${number(all.length)}`;
  $("previous").disabled = view.page === 0;
  $("next").disabled = view.page === pages - 1;
}

function showTotals() {
  const done = counts.done + counts.failed;
  const lines = [[null, "All", items.length], ...classes.map((name) => [name, name, perClass.get(name) ?? 0])];
  for (const [name, count] of perClass) if (!classes.includes(name)) lines.push([name, name, count]);
  if (counts.failed || view.filter === "failed") lines.push(["failed", "Failed", counts.failed]);
  const list = $("totals");
  while (list.children.length > lines.length) list.lastElementChild.remove();
  lines.forEach(([filter, title, count], i) => {
    const line = list.children[i] ?? list.appendChild(totalLine());
    const button = line.firstElementChild;
    const [label, bar, figure] = button.children;
    button.filter = filter;
    button.className = filter === null ? "" : filter === "failed" ? "hue-failed" : hue(filter, classes);
    button.setAttribute("aria-pressed", String(view.filter === filter));
    label.textContent = title;
    figure.textContent = number(count);
    bar.style.setProperty("--share", filter === null ? 0 : count / Math.max(1, done));
  });
}

function totalLine() {
  const line = document.createElement("li");
  const button = line.appendChild(document.createElement("button"));
  button.type = "button";
  for (let i = 0; i < 3; i += 1) button.append(document.createElement("span"));
  button.addEventListener("click", () => look({ filter: button.filter, page: 0 }));
  return line;
}

/** With separators between the thousands. */
function number(value) { return value.toLocaleString("en"); }

let spoken = { at: 0, wasRunning: false };

function showProgress() {
  const done = counts.done + counts.failed;
  const isRunning = done < items.length;
  const failures = counts.failed ? `, ${number(counts.failed)} failed` : "";
  const text = isRunning
    ? `${number(done)} of ${number(items.length)} done${failures}`
    : `${number(counts.done)} classified${failures}`;
  $("counted").textContent = text;
  $("bar").max = Math.max(1, items.length);
  $("bar").value = done;
  $("bar").hidden = $("stop").hidden = !isRunning;
  $("again").hidden = isRunning || !counts.failed || !items.some((item) => item.fault?.isWorthAnother);
  $("csv").disabled = $("ndjson").disabled = done === 0;
  document.title = isRunning ? `${done}/${items.length} Galaxy classifier` : "Galaxy classifier";
  // Told aloud at the end, and seldom before.
  const now = performance.now();
  if (items.length && (isRunning ? now - spoken.at > 5000 : spoken.wasRunning)) {
    say(isRunning ? text : `Done: ${text}.`);
    spoken.at = now;
  }
  spoken.wasRunning = isRunning;
}

function showPause(seconds) {
  $("pause").hidden = !seconds;
  $("pause").textContent = seconds ? `The server is busy. Going on in ${seconds} s.` : "";
}

function say(text) { $("said").textContent = text; }

function look(change) {
  Object.assign(view, change);
  render();
}

// Acting on all

$("order").addEventListener("change", (event) => look({ order: event.target.value, page: 0 }));
for (const [id, step] of [["previous", -1], ["next", 1]]) {
  $(id).addEventListener("click", () => {
    look({ page: view.page + step });
    $("results-title").focus({ preventScroll: true });
    $("results").scrollIntoView();
    say(`Showing ${$("page").textContent}.`);
  });
}

$("fade-all").addEventListener("input", (event) => {
  const opacity = Number(event.target.value);
  event.target.setAttribute("aria-valuetext", `${opacity} %`);
  view.heat = opacity;
  for (const card of cards.values()) card.fade(opacity);
});

$("stop").addEventListener("click", () => queue.stop());
$("again").addEventListener("click", () => retry(items.filter((item) => item.fault?.isWorthAnother)));

$("clear").addEventListener("click", () => {
  for (const item of items) item.isGone = true;
  queue.stop();
  items = [];
  perClass = new Map();
  for (const state in counts) counts[state] = 0;
  for (const card of cards.values()) card.element.remove();
  cards = new Map();
  Object.assign(view, { filter: null, page: 0 });
  render();
  say("All results are cleared.");
  $("files").focus();
});

const finished = () => items.filter((item) => item.result || item.fault);
/** A name for a file of results: the local time to the second. */
function fileName(ending) {
  const now = new Date();
  const local = new Date(now - 60_000 * now.getTimezoneOffset());
  return `galaxies-${local.toISOString().slice(0, 19).replaceAll(":", "")}.${ending}`;
}
$("csv").addEventListener("click", () => {
  const columns = [...new Set([...classes, ...perClass.keys()])];
  save(csv(finished(), columns), "text/csv;charset=utf-8", fileName("csv"));
});
$("ndjson").addEventListener("click", () => save(ndjson(finished()), "application/x-ndjson", fileName("ndjson")));

meetServer();
showVersion();
