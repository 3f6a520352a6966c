// The queue: customers of this branch who are nobody's yet; whoever takes one first has him.
import { ApiError, api } from "../shared/sign-in-gate.js";
import { el, icon } from "../shared/dom.js";
import { masked, urgency } from "../shared/hint-i18n.js";
import { age } from "../shared/times.js";
import { addWords, say, t } from "../shared/i18n.js";

export class Queue {
  /** `section`: hidden while nobody waits; `list`, `count`; `token()`; `note(text)`, `announce(text)`, `onChange()`, `onTaken(hintId)`. */
  constructor(section, list, count, { token, note, announce, onChange, onTaken }) {
    Object.assign(this, { section, list, count, token, note, announce, onChange, onTaken });
    this.byId = new Map();
    this.taking = new Set();
    setInterval(() => this.#tick(), 1000);
  }

  /** What waits now, and where to go on from. */
  async reload() {
    const { epoch, offset, hints } = await api("/v1/queue", this.token());
    this.byId = new Map(hints.reverse().map((hint) => [hint.hint_id, hint]));
    this.render();
    return { epoch, offset };
  }

  hear({ type, data }) {
    if (type === "zhiyin.hint.shown") return;
    if (type !== "zhiyin.hint.created") this.#remove(data.hint_id);
    else if (Date.parse(data.expires_at) > Date.now()) {
      const isNew = !this.byId.has(data.hint_id);
      this.byId.set(data.hint_id, data);
      this.render();
      if (isNew) this.announce(t("say.queue", { reason: say(data.reason_title), journey: say(data.journey_title) }));
    }
  }

  focus() {
    this.list.querySelector("button")?.focus();
  }

  /** Takes the one that has the focus, else the newest. */
  takeOne() {
    const focused = document.activeElement.closest?.("[data-queued]") ?? this.list.firstElementChild;
    if (focused) this.#take(focused.dataset.queued);
  }

  render() {
    const focused = document.activeElement.closest?.("[data-queued]")?.dataset.queued;
    this.list.replaceChildren(...[...this.byId.values()].reverse().map((hint) => this.#row(hint)));
    this.count.textContent = this.byId.size || "";
    this.section.hidden = this.byId.size === 0;
    this.onChange();
    this.#tick();
    if (focused) this.list.querySelector(`[data-queued="${CSS.escape(focused)}"] button`)?.focus();
  }

  #row(hint) {
    const { hint_id: id, customer_id: customer, journey_title: journey, step_title: step } = hint;
    const where = [say(journey), step ? say(step) : hint.step].filter(Boolean).join(" › ");
    const label = t("queue.take.whom", { reason: say(hint.reason_title), customer: masked(customer) });
    return el(
      "li",
      { class: "queued", "data-queued": id, "data-urgency": urgency(hint) },
      el("h2", {}, say(hint.reason_title)),
      el("p", { class: "queued-about" }, el("span", {}, icon("person"), masked(customer)), el("span", {}, where)),
      el("span", { class: "age", "data-since": hint.abandoned_at ?? hint.created_at }),
      el(
        "button",
        { type: "button", "aria-label": label, "aria-keyshortcuts": "t", disabled: this.taking.has(id), onclick: () => this.#take(id) },
        t("queue.take"),
      ),
    );
  }

  async #take(id) {
    if (this.taking.has(id)) return;
    this.taking.add(id);
    try {
      await api(`/v1/hints/${encodeURIComponent(id)}/claims`, this.token(), { method: "POST" });
      this.onTaken(id);
      this.#remove(id);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const isGone = error.status === 409 || error.status === 404;
      this.note(t(isGone ? "queue.late" : "queue.unavailable"));
      if (isGone) this.#remove(id);
    } finally {
      this.taking.delete(id);
    }
  }

  /** The focus goes to the next that waits. */
  #remove(id) {
    const row = this.list.querySelector(`[data-queued="${CSS.escape(id)}"]`);
    const beside = row?.contains(document.activeElement) ? (row.nextElementSibling ?? row.previousElementSibling) : null;
    beside?.querySelector("button").focus();
    if (this.byId.delete(id)) this.render();
  }

  #tick(now = Date.now()) {
    for (const hint of [...this.byId.values()]) if (Date.parse(hint.expires_at) <= now) this.#remove(hint.hint_id);
    for (const each of this.list.querySelectorAll("[data-since]")) {
      const words = t("card.since", { age: age(Date.parse(each.dataset.since), now) });
      if (each.textContent !== words) each.textContent = words;
    }
  }
}

addWords(
  {
    "queue.heading": "队列：等人接手",
    "queue.instead": "没有分给您的客户。队列里的客户，谁先接手就归谁。",
    "queue.take": "接手",
    "queue.take.whom": "接手：{reason}，客户 {customer}",
    "queue.late": "同事已接手，或已不再需要",
    "queue.unavailable": "暂时接不了，请稍后再试",
    "queue.keys": "到队列",
    "queue.keys.take": "接手",
    "say.queue": "队列新客户：{reason}，{journey}",
  },
  {
    "queue.heading": "In the queue",
    "queue.instead": "Nobody is waiting for you. Whoever takes a customer from the queue has them.",
    "queue.take": "Take",
    "queue.take.whom": "Take: {reason}, customer {customer}",
    "queue.late": "A colleague has taken it, or it is of no more use",
    "queue.unavailable": "Cannot be taken at the moment; please try again",
    "queue.keys": "to the queue",
    "queue.keys.take": "take",
    "say.queue": "New in the queue: {reason}, {journey}",
  },
);
