// One hint as a card: closed it says who, where and why; open it says what to do.
import { copyText, el, icon } from "./dom.js";
import { evidence, masked, sureness, urgency } from "./hint-i18n.js";
import { age, left } from "./times.js";
import { say, t } from "./i18n.js";

export class Card {
  /**
   * `act(card, state)`: used or dismissed; `answer(card, opinion)`: `{helpful, reason}`; `wonder(card)`: it was not this
   * reason; `note(text)`: a short word at the foot of the page.
   */
  constructor(hint, { act, answer, wonder, note, isOpen = false }) {
    Object.assign(this, { hint, act, answer, wonder, note, isOpen });
    this.phase = "open";
    this.expiresAt = Date.parse(hint.expires_at);
    this.abandonedAt = Date.parse(hint.abandoned_at ?? hint.created_at);
    this.article = el("article", { class: "card" });
    this.element = el("li", { "data-hint": hint.hint_id }, this.article);
    this.render();
  }

  render() {
    const { hint } = this;
    this.article.dataset.urgency = urgency(hint);
    this.toggle = el(
      "button",
      { class: "card-toggle", type: "button", "aria-expanded": String(this.isOpen), onclick: () => this.open(!this.isOpen) },
      say(hint.reason_title),
    );
    this.age = el("span", { class: "age" });
    this.left = el("span");
    this.article.replaceChildren(this.#top(), ...this.#rest());
    this.article.classList.toggle("is-open", this.isOpen);
    this.tick();
  }

  #rest() {
    if (this.phase === "asked") return [this.wonders ? this.#which() : this.#question()];
    if (this.phase === "gone") return [el("p", { class: "gone" }, icon("check"), this.why)];
    return this.isOpen ? [this.#body()] : [];
  }

  #top() {
    const { hint } = this;
    const sure = sureness(hint.reason);
    const percent = Math.round(hint.reason.confidence * 100);
    const chip = el("span", { class: "sure", "data-sure": sure, title: t("card.sure.title", { n: percent }) }, t(`sure.${sure}`));
    const pieces = evidence(hint).slice(0, this.isOpen ? 9 : 3);
    return el(
      "div",
      { class: "card-top" },
      el("div", { class: "card-title" }, el("h2", {}, this.toggle, chip), this.age),
      el("div", { class: "card-about" }, this.#who(), this.#path(), this.#urgent()),
      el("ul", { class: "evidence" }, ...pieces.map(({ text, code }) => el("li", {}, text, code ? el("code", {}, code) : null))),
    );
  }

  #who() {
    const { customer_id: id } = this.hint;
    const copy = () => this.#copy(id);
    return el(
      "button",
      { class: "who bare", type: "button", "aria-label": t("card.copy.customer", { id }), title: id, onclick: copy },
      icon("person"),
      masked(id),
    );
  }

  #path() {
    const { journey_title: journey, step_title: step, step: stepId } = this.hint;
    const where = step ? say(step) : stepId;
    return el("span", { class: "path" }, say(journey), ...(where ? [" › ", el("b", {}, where)] : []));
  }

  #urgent() {
    return urgency(this.hint) === "high" ? el("span", { class: "urgent" }, t("priority.high")) : null;
  }

  #body() {
    const { hint } = this;
    return el("div", { class: "card-body" }, this.#say(), this.#article(hint.article), this.#foot());
  }

  #say() {
    const copy = el("button", { class: "bare small", type: "button", onclick: () => this.copySay() }, icon("copy"), t("card.copy.say"));
    return el("div", { class: "say" }, el("h3", {}, t("card.say"), copy), el("p", {}, say(this.hint.text)));
  }

  #article(article) {
    const lines = say(article.body).split("\n").filter((line) => line.trim());
    const steps = lines.map((line) => el("li", {}, el("span", {}, line.replace(/^\s*(\d+[.、)]|[-•])\s*/, ""))));
    return el("div", { class: "article" }, el("h3", {}, el("b", {}, say(article.title))), el("ol", {}, ...steps));
  }

  #foot() {
    const used = el("button", { class: "main", type: "button", "aria-keyshortcuts": "u", onclick: () => this.act(this, "used") }, icon("check"), t("card.used"));
    const dismissed = el("button", { type: "button", "aria-keyshortcuts": "d", onclick: () => this.act(this, "dismissed") }, icon("cross"), t("card.dismissed"));
    return el("div", { class: "card-foot" }, el("span", { class: "left" }, icon("clock"), this.left), dismissed, used);
  }

  #question() {
    const words = this.done === "used" ? "card.helpful" : "card.right";
    const yes = () => this.answer(this, { helpful: true });
    const no = () => (this.#others.length > 0 ? this.wonder(this) : this.answer(this, { helpful: false }));
    return asked(t(`card.asked.${this.done}`), [
      el("button", { class: "small", type: "button", onclick: yes }, icon("yes"), t(`${words}.yes`)),
      el("button", { class: "small", type: "button", onclick: no }, icon("no"), t(`${words}.no`)),
    ]);
  }

  #which() {
    const pick = (reason) => () => this.answer(this, { helpful: false, ...reason });
    const button = (onclick, words) => el("button", { class: "small", type: "button", onclick }, words);
    const named = this.#others.map(({ code, title }) => button(pick({ reason: code }), say(title)));
    return asked(t("card.which"), [...named, button(pick({}), t("card.which.none"))]);
  }

  get #others() {
    return this.hint.other_reasons ?? [];
  }

  async #copy(text) {
    this.note((await copyText(text)) ? t("card.copied") : t("card.not-copied"));
  }

  copySay() {
    return this.#copy(say(this.hint.text));
  }

  open(isOpen) {
    if (this.phase !== "open") return;
    const hadFocus = this.element.contains(document.activeElement);
    this.isOpen = isOpen;
    this.render();
    if (hadFocus) this.toggle.focus({ preventScroll: true });
  }

  /** The agent has acted: ask in one line whether it was right. */
  ask(done) {
    this.phase = "asked";
    this.wonders = false;
    this.done = done;
    this.isOpen = false;
    this.render();
  }

  /** It was another reason: ask which. */
  askWhich() {
    this.wonders = true;
    this.render();
    this.article.querySelector(".asked button").focus({ preventScroll: true });
  }

  /** What the agent did could not be noted: back to before. */
  reopen() {
    this.phase = "open";
    this.isOpen = true;
    this.render();
  }

  /** Says why it goes, then slides out. */
  leave(why, afterMs = 2600) {
    if (this.phase === "gone") return;
    this.phase = "gone";
    this.why = why;
    this.isOpen = false;
    this.render();
    this.article.classList.add("is-leaving");
    setTimeout(() => this.#slideOut(), afterMs);
  }

  #slideOut() {
    const { article } = this;
    article.style.maxHeight = `${article.offsetHeight}px`;
    article.classList.add("is-left");
    setTimeout(() => this.element.remove(), 420);
  }

  focus() {
    this.toggle.focus();
    this.element.scrollIntoView({ block: "nearest" });
  }

  tick(now = Date.now()) {
    set(this.age, t("card.since", { age: age(this.abandonedAt, now) }));
    set(this.left, left(this.expiresAt, now));
  }
}

function asked(words, buttons) {
  return el("div", { class: "asked", role: "group", "aria-label": words }, el("p", {}, words), ...buttons);
}

function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
