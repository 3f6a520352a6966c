// The client of zhiyin.desk.v1: one connection with its subscriptions, kept up, come what may.
//
// States it tells: connecting, live, stale (the server cannot read; since), waiting (reconnect at),
// refused (the token is not good; reason). After a break it goes on where it was (epoch and offset);
// when the server no longer has that place, `reload` is asked for a new one.
const PROTOCOL = "zhiyin.desk.v1";
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30000;
const CONNECT_WITHIN_MS = 10000;
const NEVER_AGAIN = new Set([4401, 4403]);

export class Link {
  /**
   * feeds: each {channel, reload, onEvent, onTip}. reload(): a promise of {epoch, offset} to subscribe from, or of
   * null for the tip; onEvent(event, offset); onTip(): subscribed from there.
   * onState(state, details), onRefusal(frame): an `error` about an ack.
   */
  constructor({ url, token, feeds, onState, onRefusal = () => {} }) {
    Object.assign(this, { url, token, onState, onRefusal });
    this.feeds = feeds.map((feed) => ({ position: null, asked: null, id: null, isOn: false, ...feed }));
    this.attempts = 0;
    this.number = 0;
    this.heardAt = Date.now();
    this.pingMs = 25000;
    this.unsent = [];
    this.ended = false;
    this.isLive = false;
    addEventListener("online", () => this.retryNow());
    setInterval(() => this.#lookAfter(), 1000);
  }

  start() {
    this.#connect();
  }

  retryNow() {
    if (this.timer) {
      clearTimeout(this.timer);
      this.timer = null;
      this.#connect();
    }
  }

  /** Reports a hint's state; kept until there is a connection to say it on. `opinion`: `{helpful, reason}`, or less. */
  ack(hintId, state, opinion = {}) {
    const frame = { type: "ack", hint_id: hintId, state, ...opinion };
    if (!this.#send(frame)) this.unsent.push(frame);
  }

  #tell(state, details = {}) {
    this.isLive = state === "live";
    this.onState(state, details);
  }

  #connect() {
    this.#tell("connecting");
    const socket = new WebSocket(this.url, [PROTOCOL]);
    this.socket = socket;
    this.connectBy = Date.now() + CONNECT_WITHIN_MS;
    socket.onopen = () => socket.send(JSON.stringify({ type: "connection_init", token: this.token }));
    socket.onmessage = ({ data }) => socket === this.socket && this.#receive(JSON.parse(data));
    socket.onclose = ({ code, reason }) => socket === this.socket && this.#closed(code, reason);
  }

  #send(frame) {
    if (this.socket?.readyState !== WebSocket.OPEN || !this.acknowledged) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  #receive(frame) {
    this.heardAt = Date.now();
    const take = {
      connection_ack: () => this.#acknowledged(frame),
      ping: () => this.socket.send('{"type":"pong"}'),
      subscribed: () => this.#subscribed(frame),
      next: () => this.#next(frame),
      stale: () => this.#tell("stale", { since: new Date(frame.since) }),
      fresh: () => this.#tell("live"),
      error: () => this.#error(frame),
    }[frame.type];
    take?.();
  }

  async #acknowledged(frame) {
    this.acknowledged = true;
    this.connectBy = null;
    this.who = frame;
    this.pingMs = frame.ping_interval_s * 1000;
    for (const feed of this.feeds) feed.isOn = false;
    await Promise.all(this.feeds.map((feed) => this.#subscribe(feed)));
  }

  async #subscribe(feed) {
    const socket = this.socket;
    try {
      if (!feed.position) feed.position = await feed.reload();
    } catch (error) {
      if (socket === this.socket) this.#reloadFailed(error);
      return;
    }
    if (socket !== this.socket) return;
    this.number += 1;
    feed.id = String(this.number);
    feed.asked = feed.position;
    this.#send({ type: "subscribe", id: feed.id, channel: feed.channel, ...(feed.position ?? {}) });
  }

  #feedOf(frame) {
    return this.feeds.find((feed) => feed.id === frame.id);
  }

  #reloadFailed(error) {
    if (error.status === 401 || error.status === 403) this.#refuse(error.message);
    else this.#closed(1006, error.message);
  }

  #subscribed(frame) {
    const feed = this.#feedOf(frame);
    if (!feed) return;
    if (feed.asked && !frame.recovered) {
      this.#startAnew(feed);
      return;
    }
    feed.position = { epoch: frame.epoch, offset: frame.offset };
    feed.isOn = true;
    if (this.feeds.every(({ isOn }) => isOn)) this.#allOn();
    if (!feed.asked) feed.onTip?.();
  }

  #allOn() {
    this.attempts = 0;
    this.#tell("live");
    for (const ack of this.unsent.splice(0)) this.#send(ack);
  }

  #startAnew(feed) {
    this.#send({ type: "complete", id: feed.id });
    Object.assign(feed, { position: null, id: null, isOn: false });
    setTimeout(() => this.acknowledged && !feed.id && this.#subscribe(feed), 200 + Math.random() * 800);
  }

  #next(frame) {
    const feed = this.#feedOf(frame);
    if (!feed) return;
    feed.position = { epoch: feed.position.epoch, offset: frame.offset };
    feed.onEvent(frame.event, frame.offset);
  }

  #error(frame) {
    const feed = this.#feedOf(frame);
    if (!feed) this.onRefusal(frame);
    else if (frame.code === "forbidden") this.#refuse(frame.message);
    else if (frame.code === "history_lost") this.#startAnew(feed);
    else this.#closed(1006, frame.message);
  }

  #lookAfter() {
    const now = Date.now();
    if (this.connectBy && now > this.connectBy) this.#closed(1006, "no answer");
    if (!this.acknowledged) return;
    if (now - this.heardAt > 2.2 * this.pingMs) this.#closed(1006, "silence");
    else if (now - this.heardAt > this.pingMs) this.#send({ type: "ping" });
  }

  #closed(code, reason) {
    const socket = this.socket;
    this.socket = null;
    this.acknowledged = false;
    this.connectBy = null;
    if (socket && socket.readyState < WebSocket.CLOSING) socket.close();
    if (NEVER_AGAIN.has(code)) this.#refuse(reason);
    else if (!this.ended && !this.timer) this.#wait(code);
  }

  #refuse(reason) {
    this.ended = true;
    this.#tell("refused", { reason });
    this.socket?.close();
  }

  /** Half to the whole of a doubling time: many desks that lose one server do not come back as one. */
  #wait(code) {
    const whole = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.attempts) * (code === 4429 ? 4 : 1);
    const wait = whole * (0.5 + Math.random() / 2);
    this.attempts += 1;
    this.#tell("waiting", { until: Date.now() + wait });
    this.timer = setTimeout(() => {
      this.timer = null;
      this.#connect();
    }, wait);
  }
}
