// Talks to the server: a few requests at once, fewer and later when it says that it is too many.

/** The server's no, or its silence (status 0), or a file that cannot be read (-1). */
export class Refusal extends Error {
  constructor(status, error, message, wait = null) {
    super(message);
    Object.assign(this, { status, error, wait });
  }
  /** Whether the same request may succeed a little later. */
  get passes() { return [0, 429, 502, 503, 504].includes(this.status); }
  /** Whether somebody who asks again may fare better: not where the picture is to blame. */
  get isWorthAnother() { return ![-1, 400, 413, 415].includes(this.status); }
}

const storage = "gx-serve key";
let key = stored();

function stored() {
  try { return sessionStorage.getItem(storage) ?? ""; } catch { return ""; }
}

/** The key that requests carry, empty for none. It stays in this tab and is never part of an address. */
export function currentKey() { return key; }

export function useKey(text) {
  key = text;
  try {
    if (text) sessionStorage.setItem(storage, text); else sessionStorage.removeItem(storage);
  } catch { /* Where storage is forbidden, the key lasts as long as the page. */ }
}

/** The server's JSON. Throws a Refusal, or an AbortError where `signal` asked for it. */
export async function ask(path, { body, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body) headers["Content-Type"] = body.type.startsWith("image/") ? body.type : "application/octet-stream";
  const limits = [AbortSignal.timeout(120_000), ...(signal ? [signal] : [])];
  try {
    const response = await fetch(path, {
      method: body ? "POST" : "GET", body, headers, signal: AbortSignal.any(limits), credentials: "omit",
      cache: "no-store",
    });
    const answer = await response.json().catch((error) => {
      if (error instanceof SyntaxError) return null;
      throw error;
    });
    if (response.ok && answer) return answer;
    throw new Refusal(
      response.status, answer?.error ?? `Status ${response.status}`,
      answer?.message ?? `The server answered ${response.status} ${response.statusText}, without saying why.`,
      seconds(response.headers.get("Retry-After")));
  } catch (error) {
    if (error instanceof Refusal || error.name === "AbortError") throw error;
    if (error.name === "TimeoutError") {
      throw new Refusal(0, "No answer", "The server did not answer within two minutes.");
    }
    if (error.name === "NotReadableError" || error.name === "NotFoundError") {
      throw new Refusal(-1, "Unreadable file", "The file has changed or gone since it was chosen.");
    }
    throw new Refusal(0, "No answer", "The server is out of reach, or broke off: a picture may be too large for it.");
  }
}

/** What Retry-After asks for: seconds, or a date. */
function seconds(text) {
  if (!text) return null;
  const number = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(number) ? Math.max(0, number) : null;
}

/** Runs jobs in order, a few at once. What the server puts off waits with all that is behind it, and then goes on
    one by one, until it is seen that the server takes more. */
export class Queue {
  #lanes = { urgent: [], usual: [] };
  #running = 0;
  #allowed;
  #resume = 0;
  #timer = 0;
  #stopper = new AbortController();

  /**
   * @param most how many at once
   * @param tries how often a job is tried before its failure counts; thrice at most where the server is silent
   * @param onPause told the seconds until all goes on, and 0 when it does
   * @param onLocked told that the server wants a key; the queue waits for `unlock`
   */
  constructor({ most = 4, tries = 8, onPause, onLocked }) {
    Object.assign(this, { most, tries, onPause, onLocked, locked: false });
    this.#allowed = most;
  }

  /** @param work an async function of an AbortSignal. @param urgent whether it goes before all others */
  run(work, { urgent = false } = {}) {
    return new Promise((resolve, reject) => {
      const lane = this.#lanes[urgent ? "urgent" : "usual"];
      lane.push({ work, resolve, reject, lane, failures: 0 });
      this.#pump();
    });
  }

  /** Gives up all jobs: each fails with an AbortError. */
  stop() {
    const jobs = Object.values(this.#lanes).flatMap((lane) => lane.splice(0));
    this.#stopper.abort();
    this.#stopper = new AbortController();
    for (const job of jobs) job.reject(new DOMException("Stopped", "AbortError"));
    this.#pause(0);
  }

  unlock() {
    this.locked = false;
    this.#pump();
  }

  #pump() {
    if (this.#timer || this.locked) return;
    while (this.#running < Math.floor(this.#allowed)) {
      const job = this.#lanes.urgent.shift() ?? this.#lanes.usual.shift();
      if (!job) return;
      this.#start(job);
    }
  }

  async #start(job) {
    this.#running += 1;
    const { signal } = this.#stopper;
    try {
      job.resolve(await job.work(signal));
      this.#allowed = Math.min(this.most, this.#allowed + 0.1);
    } catch (error) {
      if (!signal.aborted && error.status === 401) {
        job.lane.unshift(job);
        if (!this.locked) this.onLocked(error);
        this.locked = true;
      } else if (!signal.aborted && error.passes && (job.failures += 1) < (error.status ? this.tries : 3)) {
        job.lane.unshift(job);
        this.#allowed = Math.max(1, this.#allowed / 2);
        this.#pause(error.wait ?? Math.min(30, 2 ** (job.failures - 1)));
      } else {
        job.reject(error);
      }
    } finally {
      this.#running -= 1;
      this.#pump();
    }
  }

  /** Starts nothing for so long. */
  #pause(seconds) {
    const resume = seconds ? Math.max(this.#resume, Date.now() + 1000 * seconds) : 0;
    if (seconds && resume === this.#resume) return;
    this.#resume = resume;
    clearTimeout(this.#timer);
    this.#timer = seconds ? setTimeout(() => this.#pause(0), resume - Date.now()) : 0;
    this.onPause(seconds ? Math.ceil((resume - Date.now()) / 1000) : 0);
    this.#pump();
  }
}
