// A desk of your own, in a browser: hears the hints of one agent over any break, and says what became of them.
//
//   const desk = new DeskClient({
//     http: "https://zhiyin.example.com", ws: "wss://zhiyin.example.com:8081",
//     token: async () => (await fetch("/my/token")).text(),
//     onHints: (hints) => draw(hints),             // all open hints, newest first, whenever one comes or goes
//     onState: (state, details) => light(state),   // connecting, live, stale {since}, waiting {until}, refused {reason}
//   });
//   desk.start();
//   desk.ack(hint.hint_id, "shown");               // then "used" or "dismissed", with {helpful: true}
//
// No dependency; copy it. In Node give `WebSocket` where there is none. Protocol: docs/reference/websocket.md
const PROTOCOL = "zhiyin.desk.v1";
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;
const ANSWER_WITHIN_MS = 10_000;
const RENEW_BEFORE_MS = 60_000;
const ENDINGS = new Set(["zhiyin.hint.retired", "zhiyin.hint.used", "zhiyin.hint.dismissed"]);
const HOPELESS = new Set([4400, 4403, 4409]);
const REFUSALS_IN_A_ROW = 3;

export class DeskClient {
  constructor({ http, ws, token, onHints, onState = () => {}, onRefused = () => {}, WebSocket = globalThis.WebSocket }) {
    Object.assign(this, { http, ws, token, onHints, onState, onRefused, WebSocket });
    this.hints = new Map();
    this.unsaid = new Map(); // acks that are not confirmed: said again after a break, which does no harm
    this.position = null;
    this.attempts = 0;
    this.refusals = 0;
    this.number = 0;
    this.timers = new Map();
  }

  start() {
    this.isOn = true;
    this.#connect();
  }

  stop() {
    this.isOn = false;
    for (const name of [...this.timers.keys()]) this.#cancel(name);
    this.socket?.close();
  }

  /** state: shown, used or dismissed; opinion: {helpful: did it help?, reason: the code of what it really was}, or less. */
  ack(hintId, state, opinion = {}) {
    this.unsaid.set(hintId, { type: "ack", hint_id: hintId, state, ...opinion });
    if (this.isLive) this.#send(this.unsaid.get(hintId));
  }

  async #connect() {
    this.onState("connecting", {});
    let token = null;
    try {
      token = await this.token();
    } catch (error) {
      return this.#wait(`no token: ${error}`);
    }
    if (!this.isOn) return;
    const socket = new this.WebSocket(this.ws, [PROTOCOL]);
    this.socket = socket;
    this.isKnown = false;
    this.#within(ANSWER_WITHIN_MS);
    socket.onopen = () => this.#send({ type: "connection_init", token });
    socket.onmessage = ({ data }) => socket === this.socket && this.#receive(JSON.parse(data));
    socket.onclose = ({ code, reason }) => socket === this.socket && this.#closed(code, reason);
  }

  #send(frame) {
    if (this.socket?.readyState === this.WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  #receive(frame) {
    if (this.pingMs) this.#within(2.2 * this.pingMs);
    if (frame.type === "connection_ack") this.#acknowledged(frame);
    else if (frame.type === "ping") this.#send({ type: "pong" });
    else if (frame.type === "error" && this.unsaid.has(frame.id)) this.#refused(frame);
    else if (frame.id !== String(this.number)) return;
    else if (frame.type === "subscribed") this.#subscribed(frame);
    else if (frame.type === "next") this.#next(frame);
    else if (frame.type === "stale") this.onState("stale", { since: new Date(frame.since) });
    else if (frame.type === "fresh") this.onState("live", {});
    else if (frame.type === "error") this.#lost(frame);
  }

  /** The first ack lets us in; another answers a new token. */
  #acknowledged({ expires_at: expiresAt, ping_interval_s: pingS }) {
    this.pingMs = 1_000 * pingS;
    const left = new Date(expiresAt) - Date.now();
    this.#later("renew", Math.max(left - RENEW_BEFORE_MS, left / 2), () => this.#renew());
    if (this.isKnown) return;
    this.isKnown = true;
    this.#subscribe();
  }

  async #renew() {
    const { socket } = this;
    const token = await this.token().catch(() => null);
    if (token && socket === this.socket) this.#send({ type: "connection_init", token });
  }

  async #subscribe() {
    const { socket } = this;
    try {
      this.position ??= await this.#load();
    } catch (error) {
      if (socket === this.socket) this.#closed(1006, `loading: ${error}`);
      return;
    }
    if (socket !== this.socket) return;
    this.number += 1;
    this.#send({ type: "subscribe", id: String(this.number), channel: "desk", ...this.position });
  }

  /** All open hints, and where the channel stands: from there on nothing is missed. */
  async #load() {
    const answer = await fetch(`${this.http}/v1/hints`, { headers: { authorization: `Bearer ${await this.token()}` } });
    if (!answer.ok) throw new Error(`GET /v1/hints: ${answer.status}`);
    const { epoch, offset, hints } = await answer.json();
    this.hints = new Map(hints.map((hint) => [hint.hint_id, hint]));
    this.#changed();
    return { epoch, offset };
  }

  #subscribed({ epoch, offset, recovered }) {
    if (!recovered) return this.#startAnew();
    this.position = { epoch, offset };
    this.attempts = this.refusals = 0;
    this.isLive = true;
    this.onState("live", {});
    for (const frame of this.unsaid.values()) this.#send(frame);
  }

  /** Our place is not there any more: load everything once more, not all desks in the same instant. */
  #startAnew() {
    this.isLive = false;
    this.#send({ type: "complete", id: String(this.number) });
    this.position = null;
    this.#later("anew", 1_000 * Math.random(), () => this.#subscribe());
  }

  #next({ offset, event }) {
    this.position = { epoch: this.position.epoch, offset };
    const { type, data } = event;
    if (!type.startsWith("zhiyin.hint.")) return;
    if (this.unsaid.get(data.hint_id)?.state === data.state) this.unsaid.delete(data.hint_id);
    if (type === "zhiyin.hint.created") this.hints.set(data.hint_id, data);
    else if (ENDINGS.has(type)) this.#forget(data.hint_id);
    this.#changed();
  }

  #forget(hintId) {
    this.hints.delete(hintId);
    this.unsaid.delete(hintId);
  }

  #changed() {
    const now = Date.now();
    const open = [...this.hints.values()].filter((hint) => new Date(hint.expires_at) > now);
    open.sort((one, other) => other.created_at.localeCompare(one.created_at));
    this.onHints(open);
  }

  /** An ack changed nothing: for now (said again in a moment) or for good. */
  #refused({ id, code, message, temporary }) {
    const frame = this.unsaid.get(id);
    if (temporary) return this.#later(`ack ${id}`, 1_000 + 2_000 * Math.random(), () => this.#send(frame));
    this.#forget(id);
    this.#changed();
    this.onRefused(id, code, message);
  }

  #lost({ code, message, temporary }) {
    if (code === "history_lost") this.#startAnew();
    else this.#closed(temporary ? 1006 : 4403, message);
  }

  #closed(code, reason) {
    const { socket } = this;
    this.socket = null;
    this.isLive = false;
    for (const name of ["silence", "renew", "anew"]) this.#cancel(name);
    socket?.close();
    if (!this.isOn) return;
    this.refusals += code === 4401 ? 1 : 0;
    if (HOPELESS.has(code) || this.refusals >= REFUSALS_IN_A_ROW) return this.onState("refused", { reason });
    this.#wait(reason);
  }

  /** Full jitter: anything up to a doubling time, so that thousands of desks that lose a server don't return as one. */
  #wait(reason) {
    const waitMs = Math.random() * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.attempts);
    this.attempts += 1;
    this.onState("waiting", { until: Date.now() + waitMs, reason });
    this.#later("connect", waitMs, () => this.#connect());
  }

  #within(ms) {
    this.#later("silence", ms, () => this.#closed(1006, "nothing heard"));
  }

  #later(name, ms, act) {
    this.#cancel(name);
    this.timers.set(name, setTimeout(act, ms));
  }

  #cancel(name) {
    clearTimeout(this.timers.get(name));
    this.timers.delete(name);
  }
}
