// Runs in the page: what keeps people out, by the rules that axe-core checks first. Returns sentences, best none.
// What is not shown is not looked at.

const faults = [];
const say = (element, text) => {
  const id = element.id ? `#${element.id}` : element.className ? `.${String(element.className).split(" ")[0]}` : "";
  faults.push(`${element.tagName.toLowerCase()}${id}: ${text}`);
};
const isShown = (element) => element.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: false });
const all = (selector) => [...document.querySelectorAll(selector)].filter(isShown);
const tidy = (text) => (text ?? "").replace(/\s+/g, " ").trim();

/** The name that is read out: the main steps of the W3C's "Accessible Name Computation". */
function name(element) {
  const by = (element.getAttribute("aria-labelledby") ?? "").split(" ").filter(Boolean);
  if (by.length) return tidy(by.map((id) => document.getElementById(id)?.textContent ?? "").join(" "));
  if (element.hasAttribute("aria-label")) return tidy(element.getAttribute("aria-label"));
  if (element.labels?.length) return tidy([...element.labels].map((label) => label.textContent).join(" "));
  return tidy(element.getAttribute("alt") ?? element.textContent) || tidy(element.title);
}

// The document.
if (!document.documentElement.lang) faults.push("html: no language");
if (!tidy(document.title)) faults.push("html: no title");
const viewport = document.querySelector("meta[name=viewport]")?.content ?? "";
if (/user-scalable\s*=\s*no|maximum-scale/.test(viewport)) faults.push("viewport: keeps people from zooming");
const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) faults.push(`id ${id}: more than once`);
for (const attribute of ["aria-labelledby", "aria-describedby", "aria-controls"]) {
  for (const element of document.querySelectorAll(`[${attribute}]`)) {
    for (const id of element.getAttribute(attribute).split(" ")) {
      if (!document.getElementById(id)) say(element, `${attribute} names ${id}, which is not there`);
    }
  }
}

// Landmarks, and whether all that is to be read lies in one.
for (const kind of ["header", "main", "footer"]) {
  if (all(`body > ${kind}`).length !== 1) faults.push(`${kind}: ${all(`body > ${kind}`).length} of them, not 1`);
}
for (const element of document.body.children) {
  const isIn = element.matches("header, main, footer, template, script");
  if (!isIn && isShown(element)) say(element, "outside of all landmarks");
}
for (const region of all("section, nav, [role=group]")) if (!name(region)) say(region, "no name");

// Headings: one of the first level, and none skipped.
let level = 0;
for (const heading of all("h1, h2, h3, h4, h5, h6")) {
  const own = Number(heading.tagName[1]);
  if (own > level + 1) say(heading, `level ${own} after ${level}`);
  if (!tidy(heading.textContent)) say(heading, "empty");
  level = own;
}
if (all("h1").length !== 1) faults.push("h1: not one");

// Names.
const controls = all("button, a[href], input, select, textarea, summary, [tabindex='0']");
for (const element of controls) if (!name(element)) say(element, "no name");
for (const element of all("img")) if (!element.hasAttribute("alt")) say(element, "no alt");
for (const element of all("[role=img], [role=meter], progress")) {
  if (!name(element)) say(element, `${element.getAttribute("role") ?? "progress"} without a name`);
}
for (const meter of all("[role=meter]")) {
  const [now, least, most] = ["now", "min", "max"].map((of) => parseFloat(meter.getAttribute(`aria-value${of}`)));
  if (!(least <= now && now <= most)) say(meter, `value ${now} is not in ${least}...${most}`);
}
const sliders = all("input[type=range]").map(name);
const twins = sliders.filter((one, i) => sliders.indexOf(one) !== i);
for (const twin of new Set(twins)) faults.push(`slider "${twin}": two of the name`);
for (const list of document.querySelectorAll("ul, ol")) {
  for (const child of list.children) if (!child.matches("li, template")) say(child, "in a list, but no item");
}
if (!document.querySelector("[role=status], [aria-live]")) faults.push("nothing tells of progress aloud");
for (const element of document.querySelectorAll("[tabindex]")) {
  if (element.tabIndex > 0) say(element, "tabindex above 0");
}
for (const hidden of document.querySelectorAll("[aria-hidden=true]")) {
  if (hidden.querySelector("button, a, input, select")) say(hidden, "hides what can have the focus");
}

// Targets of 24 x 24 CSS pixels at least (WCAG 2.2, 2.5.8); links in text are let off.
for (const element of controls) {
  const { width, height } = element.getBoundingClientRect();
  const isInText = element.tagName === "A" && getComputedStyle(element).display === "inline";
  if (!isInText && (width < 24 || height < 24)) say(element, `only ${width.toFixed()} x ${height.toFixed()} pixels`);
}

// Contrast (WCAG 2, 1.4.3): 4.5 for text, 3 for large text. Text over pictures is not judged.
const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
function color(text) {
  probe.clearRect(0, 0, 1, 1);
  probe.fillStyle = text;
  probe.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = probe.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
}
const over = ([r, g, b, a], below) => [r, g, b].map((value, i) => a * value + (1 - a) * below[i]);
function ground(element) {
  const layers = [];
  for (let one = element; one; one = one.parentElement) {
    const layer = color(getComputedStyle(one).backgroundColor);
    if (layer[3] > 0) layers.push(layer);
    if (layer[3] === 1) break;
  }
  return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
}
const light = (rgb) => rgb
  .map((value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4))
  .reduce((sum, value, i) => sum + [0.2126, 0.7152, 0.0722][i] * value, 0);
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const seen = new Set();
while (texts.nextNode()) {
  const element = texts.currentNode.parentElement;
  const isOff = element.closest(":disabled, option, template, .unseen, .card[data-state=done] .picture, noscript");
  if (!tidy(texts.currentNode.data) || seen.has(element) || isOff || !isShown(element)) continue;
  seen.add(element);
  const style = getComputedStyle(element);
  const size = parseFloat(style.fontSize);
  if (size === 0) continue;
  const below = ground(element);
  const [high, low] = [light(over(color(style.color), below)), light(below)].sort((a, b) => b - a);
  const contrast = (high + 0.05) / (low + 0.05);
  const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  if (contrast < (isLarge ? 3 : 4.5)) {
    say(element, `contrast ${contrast.toFixed(2)} of "${tidy(element.textContent).slice(0, 30)}"`);
  }
}

// Nothing may stick out at the side.
const wide = document.scrollingElement.scrollWidth - innerWidth;
if (wide > 0) faults.push(`page: ${wide} pixels wider than the window`);
return faults;
