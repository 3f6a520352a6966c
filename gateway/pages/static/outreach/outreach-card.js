// One customer to call: who, where, why; once claimed, what to say and what came of it.
import { copyText, el, icon } from "../shared/dom.js";
import { evidence, masked, sureness } from "../shared/hint-i18n.js";
import { age, clock, left } from "../shared/times.js";
import { say, t } from "../shared/i18n.js";

export const OUTCOMES = ["reached", "no_answer", "declined", "do_not_call", "solved", "wrong_person"];
const HURRY_MS = 120000;
const CONFIRM_WITHIN_MS = 4000;

export class CallCard {
  /** `acts`: claim(card), release(card), end(card, outcome), close(card), note(text). */
  constructor(entry, acts) {
    Object.assign(this, { entry, acts });
    this.isOpen = false;
    this.isGone = false;
    this.article = el("article", { class: "card call" });
    this.element = el("li", { "data-outreach": entry.outreach_id }, this.article);
    this.render();
  }

  get id() {
    return this.entry.outreach_id;
  }

  get isMine() {
    return this.entry.mine && this.leaseMs() > 0;
  }

  get isTheirs() {
    return Boolean(this.entry.claimed_by) && !this.entry.mine && this.leaseMs() > 0;
  }

  get isAsleep() {
    return Boolean(this.entry.quiet_until) && Date.parse(this.entry.quiet_until) > Date.now();
  }

  /** Whether it was this agent's call at some time: then an outcome may be said. */
  get mayEnd() {
    return this.entry.mine || this.isGone;
  }

  leaseMs(now = Date.now()) {
    return this.entry.claimed_until ? Date.parse(this.entry.claimed_until) - now : 0;
  }

  /** New data; drawn anew only when something has changed. */
  update(entry) {
    const before = JSON.stringify(this.entry);
    const wasMine = this.entry.mine;
    // A claim of ours that ran out is still ours to tell the outcome of, until somebody else takes it.
    const keeps = wasMine && !entry.mine && !entry.claimed_by;
    this.entry = keeps ? { ...entry, mine: true, claimed_until: new Date(0).toISOString() } : entry;
    if (JSON.stringify(this.entry) !== before) this.render();
  }

  /** It is no longer on the list, but this agent may have called. */
  leaveList() {
    this.isGone = true;
    this.isOpen = true;
    this.render();
  }

  render() {
    const focused = document.activeElement?.closest?.("[data-focus]");
    const name = focused && this.element.contains(focused) ? focused.dataset.focus : null;
    const { entry } = this;
    this.article.dataset.urgency = entry.need >= 0.7 ? "high" : entry.need >= 0.45 ? "middle" : "low";
    this.article.dataset.claim = this.isMine ? "mine" : this.isTheirs ? "theirs" : "free";
    this.article.classList.toggle("is-open", this.isOpen);
    this.toggle = el(
      "button",
      { class: "card-toggle", type: "button", "data-focus": "toggle", "aria-expanded": String(this.isOpen), onclick: () => this.open(!this.isOpen) },
      say(entry.reason_title),
    );
    this.ageText = el("span", { class: "age" });
    this.leaseText = el("span", { class: "lease" });
    this.article.replaceChildren(this.#top(), ...(this.isOpen ? [this.#body()] : []));
    this.tick();
    if (name) (this.article.querySelector(`[data-focus="${name}"]`) ?? this.toggle).focus({ preventScroll: true });
  }

  #top() {
    const { entry } = this;
    const sure = sureness(entry.reason);
    const percent = Math.round(entry.reason.confidence * 100);
    const chip = el("span", { class: "sure", "data-sure": sure, title: t("card.sure.title", { n: percent }) }, t(`sure.${sure}`));
    const pieces = evidence(entry).slice(0, this.isOpen ? 9 : 3);
    return el(
      "div",
      { class: "card-top" },
      el("div", { class: "card-title" }, el("h2", {}, this.toggle, chip), this.ageText),
      el("div", { class: "card-about" }, this.#who(), this.#path(), this.#need(), this.#tries()),
      el("div", { class: "call-line" }, el("ul", { class: "evidence" }, ...pieces.map(({ text, code }) => el("li", {}, text, code ? el("code", {}, code) : null))), this.#claim()),
    );
  }

  #who() {
    const { customer_id: id } = this.entry;
    const copy = async () => this.acts.note((await copyText(id)) ? t("card.copied") : t("card.not-copied"));
    const shown = this.entry.mine ? id : masked(id);
    return el(
      "button",
      { class: "who bare", type: "button", "data-focus": "who", "aria-label": t("card.copy.customer", { id }), title: id, onclick: copy },
      icon("person"),
      el("span", { class: "who-id" }, shown),
    );
  }

  #path() {
    const { journey_title: journey, step_title: step, step: stepId } = this.entry;
    const where = step ? say(step) : stepId;
    return el("span", { class: "path" }, say(journey), ...(where ? [" › ", el("b", {}, where)] : []));
  }

  #need() {
    const percent = Math.round(this.entry.need * 100);
    const meter = el("meter", { min: "0", max: "100", value: String(percent), "aria-hidden": "true" });
    return el("span", { class: "need" }, meter, t("outreach.need", { n: percent }));
  }

  #tries() {
    const { tries } = this.entry;
    return tries > 0 ? el("span", { class: "tries" }, t("outreach.tries", { n: tries })) : null;
  }

  #claim() {
    if (this.isGone) return null;
    if (this.isTheirs) return el("span", { class: "claim-note" }, t("outreach.theirs", { who: this.entry.claimed_by }), this.leaseText);
    if (this.isMine) return el("span", { class: "claim-note mine" }, t("outreach.mine"), this.leaseText);
    return el(
      "button",
      { class: "small claim", type: "button", "data-focus": "claim", "aria-keyshortcuts": "a", disabled: this.isAsleep, onclick: () => this.acts.claim(this) },
      t("outreach.claim"),
    );
  }

  #body() {
    const parts = [this.#say(), this.#article(this.entry.article)];
    if (this.isGone) parts.unshift(el("p", { class: "gone-note" }, t("outreach.gone")));
    else if (this.entry.mine && !this.isMine) parts.unshift(el("p", { class: "gone-note" }, t("outreach.lease.over")));
    if (this.mayEnd) parts.push(this.#outcomes());
    return el("div", { class: "card-body" }, ...parts);
  }

  #say() {
    const text = say(this.entry.text);
    const copy = async () => this.acts.note((await copyText(text)) ? t("card.copied") : t("card.not-copied"));
    const button = el("button", { class: "bare small", type: "button", "data-focus": "copy", onclick: copy }, icon("copy"), t("card.copy.say"));
    return el("div", { class: "say" }, el("h3", {}, t("card.say"), button), el("p", {}, text));
  }

  #article(article) {
    const lines = say(article.body).split("\n").filter((line) => line.trim());
    const steps = lines.map((line) => el("li", {}, el("span", {}, line.replace(/^\s*(\d+[.、)]|[-•])\s*/, ""))));
    return el("div", { class: "article" }, el("h3", {}, el("b", {}, say(article.title))), el("ol", {}, ...steps));
  }

  #outcomes() {
    const buttons = OUTCOMES.map((outcome, index) => {
      const asks = outcome === "do_not_call" && this.confirming;
      const words = asks ? t("outcome.confirm") : t(`outcome.${outcome}`);
      const shape = { class: asks ? "outcome is-asking" : "outcome", type: "button", "data-focus": outcome, "aria-keyshortcuts": String(index + 1) };
      return el("button", { ...shape, onclick: () => this.end(outcome) }, el("kbd", { "aria-hidden": "true" }, String(index + 1)), words);
    });
    const foot = this.isGone
      ? [el("button", { class: "bare small", type: "button", "data-focus": "close", onclick: () => this.acts.close(this) }, t("outreach.gone.close"))]
      : [
          el("button", { class: "bare small", type: "button", "data-focus": "renew", "aria-keyshortcuts": "r", onclick: () => this.acts.claim(this) }, icon("clock"), t("outreach.renew")),
          el("button", { class: "bare small", type: "button", "data-focus": "release", "aria-keyshortcuts": "x", onclick: () => this.acts.release(this) }, t("outreach.release")),
        ];
    return el(
      "div",
      { class: "call-foot", role: "group", "aria-label": t("outreach.result") },
      el("h3", {}, t("outreach.result")),
      el("div", { class: "outcomes" }, ...buttons),
      el("div", { class: "call-more" }, ...foot),
    );
  }

  /** Says what came of the call; "do not call" is for good, and asked twice. */
  end(outcome) {
    if (!this.mayEnd) return;
    if (outcome === "do_not_call" && !this.confirming) {
      this.confirming = setTimeout(() => this.#unconfirm(), CONFIRM_WITHIN_MS);
      this.open(true);
      return;
    }
    this.acts.end(this, outcome);
  }

  #unconfirm() {
    this.confirming = null;
    this.render();
  }

  open(isOpen) {
    this.isOpen = isOpen;
    this.render();
  }

  focus() {
    this.toggle.focus();
    this.element.scrollIntoView({ block: "nearest" });
  }

  tick(now = Date.now()) {
    set(this.ageText, t("card.since", { age: age(Date.parse(this.entry.abandoned_at), now) }));
    const leaseMs = this.leaseMs(now);
    if (this.entry.claimed_until && leaseMs <= 0 && this.article.dataset.claim !== "free") this.render();
    if (leaseMs <= 0) return;
    const words = leaseMs < HURRY_MS ? minutes(leaseMs) : left(Date.parse(this.entry.claimed_until), now);
    set(this.leaseText, this.isMine ? t("outreach.lease", { left: minutes(leaseMs) }) : words);
    this.leaseText.classList.toggle("is-short", this.isMine && leaseMs < HURRY_MS);
    this.leaseText.title = clock(Date.parse(this.entry.claimed_until));
  }
}

/** "14:07" */
function minutes(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
