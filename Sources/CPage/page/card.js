// One result on the page.

import { drawMap, drawScale, drawThumbnail } from "./picture.js";

const template = document.getElementById("card");
let cards = 0;

export const percent = (value) => `${(100 * value).toFixed(1)} %`;

/** Which of the page's colours a class has: the four known ones have their own. */
export function hue(name, classes) {
  const known = ["elliptical", "lenticular", "spiral", "irregular"].indexOf(name.toLowerCase());
  return `hue-${known >= 0 ? known : 4 + (Math.max(0, classes.indexOf(name)) % 4)}`;
}

/** Shows an item; `update` follows its changes. */
export class Card {
  #shown = {};
  #part;
  #isDrawn = false;

  /**
   * @param item what app.js keeps of a picture
   * @param classes the model's, in the order of the bars
   * @param explain an async function of an item and a class, that gives the server's map
   * @param retry a function of an item
   */
  constructor(item, { classes, explain, retry, isOpen }) {
    Object.assign(this, { item, classes, explain });
    this.element = template.content.firstElementChild.cloneNode(true);
    this.#part = (selector) => this.element.querySelector(selector);
    this.slider = this.#part(".fade input");
    const title = this.#part("h3");
    title.id = `card-${(cards += 1)}`;
    title.textContent = title.title = item.name;
    this.#part("article").setAttribute("aria-labelledby", title.id);
    this.#part(".photo").setAttribute("aria-label", `Picture ${item.name}`);
    this.slider.setAttribute("aria-label", `Heat map over ${item.name}`);
    this.#part("details").open = isOpen;
    this.slider.addEventListener("input", () => this.fade(Number(this.slider.value)));
    this.#part("select").addEventListener("change", (event) => this.#choose(event.target.value));
    this.#part(".retry").addEventListener("click", () => retry(item));
    this.#part(".retry").setAttribute("aria-label", `Try ${item.name} again`);
    this.update();
  }

  update() {
    const { item } = this;
    const { state, result, fault } = item;
    if (state === this.#shown.state && result === this.#shown.result && fault === this.#shown.fault) return;
    this.#shown = { state, result, fault };
    this.element.dataset.state = state;
    this.#part("article").setAttribute("aria-busy", String(state === "running"));
    this.#part(".state").textContent = { waiting: "Waiting", running: "Looking…", failed: fault?.error }[state] ?? "";
    this.#part(".fault").textContent = state === "failed" ? fault.message : "";
    this.#part(".retry").hidden = state !== "failed" || !fault.isWorthAnother;
    if (state === "done") this.#answer(result);
  }

  /** Lays the heat map over the picture, `opacity` per cent of it. */
  async fade(opacity) {
    const { item } = this;
    item.heat = opacity;
    if (item.state !== "done") return;
    this.slider.value = opacity;
    this.slider.setAttribute("aria-valuetext", `${opacity} %`);
    this.#part(".heat").style.opacity = opacity / 100;
    // Of a class whose map failed, no second try before the slider was let go to its start.
    if (opacity === 0) this.asked = null;
    const name = item.explained;
    if (opacity === 0 || item.map || this.asked === name) return;
    this.asked = name;
    this.#note("The heat map is being computed…");
    try {
      const map = await this.explain(item, name);
      // Another class may have been chosen meanwhile.
      if (item.explained !== name) return;
      item.map = map;
      this.#heat();
    } catch (error) {
      if (item.explained === name) this.#note(error.name === "AbortError" ? "" : `No heat map: ${error.message}`);
    }
  }

  #choose(name) {
    this.item.explained = name;
    this.item.map = null;
    this.fade(this.item.heat || 50);
  }

  #answer(result) {
    const { item } = this;
    const kind = result.galaxy_type;
    item.explained ??= kind;
    this.element.classList.add(hue(kind, this.classes));
    this.#part(".kind").textContent = kind;
    this.#part(".confidence").textContent = percent(result.confidence);
    this.#part(".bars").replaceChildren(...this.#bars(result));
    this.#part("summary").textContent = `About ${kind} galaxies`;
    this.#part(".description").textContent = result.galaxy_info?.description ?? "";
    const examples = result.galaxy_info?.examples ?? [];
    this.#part(".examples").textContent = examples.length ? `Such as ${examples.join(", ")}.` : "";
    this.#part("select").replaceChildren(
      ...this.classes.map((name) => new Option(name, name, false, name === item.explained)));
    drawScale(this.#part(".scale canvas"));
    this.#isDrawn = false;
    this.appear();
    this.fade(item.heat);
  }

  /** To be called when the card has come onto the page: pictures that nobody sees are not drawn. */
  appear() {
    if (this.#isDrawn || this.item.state !== "done" || !this.element.isConnected) return;
    this.#isDrawn = true;
    this.#draw();
  }

  *#bars(result) {
    const of = new Map(result.all_predictions.map((one) => [one.class, one.probability]));
    // In the model's order, so that cards can be compared; of a great many, the likeliest.
    const inOrder = this.classes.length <= 12 && this.classes.length === of.size;
    const names = inOrder ? this.classes : [...of.keys()].slice(0, 12);
    for (const name of names) {
      const probability = of.get(name) ?? 0;
      const line = document.createElement("li");
      const [label, meter, value] = ["span", "div", "span"].map((tag) => line.appendChild(document.createElement(tag)));
      line.className = hue(name, this.classes);
      line.classList.toggle("likeliest", name === result.galaxy_type);
      label.textContent = name;
      value.textContent = percent(probability);
      meter.style.setProperty("--share", probability);
      const facts = { role: "meter", "aria-label": name, "aria-valuemin": 0, "aria-valuemax": 100,
        "aria-valuenow": (100 * probability).toFixed(1), "aria-valuetext": percent(probability) };
      for (const [fact, text] of Object.entries(facts)) meter.setAttribute(fact, text);
      yield line;
    }
  }

  async #draw() {
    const canvas = this.#part(".photo");
    const isThere = await drawThumbnail(this.item.file, canvas, 480, () => this.element.isConnected);
    if (!isThere) this.#part(".state").textContent = "This browser cannot show it";
    if (this.item.map) this.#heat();
  }

  #heat() {
    const [photo, heat] = [this.#part(".photo"), this.#part(".heat")];
    // Of the same shape, so that one lies over the other.
    const scale = 160 / Math.max(photo.width, photo.height);
    heat.width = Math.max(1, Math.round(scale * photo.width));
    heat.height = Math.max(1, Math.round(scale * photo.height));
    // Where nothing speaks for the class, there is nothing to lay over the picture either.
    const isEmpty = this.item.map.values.every((row) => row.every((value) => value === 0));
    if (!isEmpty) drawMap(this.item.map, heat);
    this.#note(isEmpty ? `Nothing in the picture speaks for ${this.item.explained}.` : "");
  }

  #note(text) { this.#part(".note").textContent = text; }
}
