// The outreach list, kept up to date: asked again and again, cheaply (ETag), slower while nobody looks or answers.
//
// States it tells: connecting, live (at), waiting (until), refused (reason: the token is not good).
import { api, ask } from "../shared/sign-in-gate.js";

const EVERY_MS = 2500;
const FIRST_WAIT_MS = 2000;
const LONGEST_WAIT_MS = 20000;

export class Feed {
  /** onList({outreach, next_cursor}), onState(name, details); `journey()`: which one is looked at, "" for all. */
  constructor({ token, journey, onList, onState }) {
    Object.assign(this, { token, journey, onList, onState });
    this.failures = 0;
    this.tag = null;
    this.turn = 0;
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.now());
    addEventListener("online", () => this.now());
  }

  /** Ask now, whatever is waited for; `anew`: even if nothing has changed. */
  now(anew = false) {
    if (anew) this.tag = null;
    clearTimeout(this.timer);
    this.turn += 1;
    return this.#look(this.turn);
  }

  async #look(turn) {
    try {
      const query = new URLSearchParams({ limit: "100" });
      if (this.journey()) query.set("journey", this.journey());
      const answer = await ask(`/v1/outreach?${query}`, this.token, { headers: this.tag ? { "if-none-match": this.tag } : {} });
      const found = answer.status === 304 ? null : await answer.json();
      if (turn !== this.turn) return;
      this.failures = 0;
      this.tag = answer.headers.get("etag") ?? this.tag;
      this.onState("live", { at: Date.now() });
      if (found) this.onList(found);
      this.#again(turn, EVERY_MS);
    } catch (error) {
      if (turn === this.turn) this.#failed(turn, error);
    }
  }

  #failed(turn, error) {
    if (error.status === 401 || error.status === 403) {
      this.onState("refused", { reason: error.message });
      return;
    }
    const whole = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.failures);
    const wait = whole * (0.5 + Math.random() / 2);
    this.failures += 1;
    this.onState("waiting", { until: Date.now() + wait });
    this.#again(turn, wait);
  }

  #again(turn, wait) {
    this.timer = setTimeout(() => {
      if (document.visibilityState === "visible") this.#look(turn);
      else this.#again(turn, EVERY_MS);
    }, wait);
  }

  /** A write, made once even when it is sent twice. Throws ApiError. */
  write(method, path, body) {
    const headers = { "idempotency-key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` };
    return api(path, this.token, { method, body, headers });
  }
}
