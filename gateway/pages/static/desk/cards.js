// All cards of the desk: newest first, moved through by keyboard, told as shown once seen.
import { Card } from "../shared/card.js";
import { whyGone } from "../shared/hint-i18n.js";

const SEEN_AFTER_MS = 1000;
const ANSWER_WITHIN_MS = 8000;

export class Cards {
  /** `ack(hintId, state, opinion)`; `say(kind, hint, data)`: for those who listen; `onChange()`: the number has changed. */
  constructor(list, { ack, announce, note, onChange, thanks }) {
    Object.assign(this, { list, ack, announce, note, onChange, thanks });
    this.byId = new Map();
    this.observer = new IntersectionObserver((seen) => this.#seen(seen), { threshold: 0.5 });
    this.inView = new Map();
    list.addEventListener("focusin", ({ target }) => (this.selected = this.#cardOf(target)?.hint.hint_id));
    setInterval(() => this.#tick(), 1000);
  }

  get count() {
    return [...this.byId.values()].filter((card) => card.phase === "open").length;
  }

  /** The whole list anew, newest first; what is no longer in it goes without a word. */
  replace(hints) {
    const wanted = new Set(hints.map((hint) => hint.hint_id));
    for (const card of [...this.byId.values()]) if (!wanted.has(card.hint.hint_id)) this.#remove(card);
    for (const hint of [...hints].reverse()) this.add(hint, false);
    if (this.selected === undefined && this.count > 0) this.#openFirst();
    this.onChange();
  }

  /** On a wide screen the first to come is open from the start; on a narrow one the list comes first. */
  #openFirst() {
    this.selected = this.list.firstElementChild.dataset.hint;
    if (matchMedia("(min-width: 941px)").matches) this.current.open(true);
  }

  /** False when it is there already. */
  add(hint, isNew = true) {
    if (this.byId.has(hint.hint_id) || Date.parse(hint.expires_at) <= Date.now()) return false;
    const card = new Card(hint, {
      act: (acted, state) => this.act(acted, state),
      answer: (answered, opinion) => this.#answer(answered, opinion),
      wonder: (wondering) => this.#wonder(wondering),
      note: this.note,
    });
    this.byId.set(hint.hint_id, card);
    if (isNew) card.article.classList.add("is-new");
    this.list.prepend(card.element);
    this.observer.observe(card.element);
    if (isNew && this.selected === undefined) this.#openFirst();
    this.onChange();
    return true;
  }

  /** Somebody or something has ended the hint. */
  end(data) {
    const card = this.byId.get(data.hint_id);
    if (!card || card.phase !== "open") return null;
    this.#letGo(card, whyGone(data));
    return card.hint;
  }

  /** Opens one and goes there; false: it is not here. */
  show(hintId) {
    const card = this.byId.get(hintId);
    if (!card) return false;
    card.open(true);
    card.focus();
    return true;
  }

  shown(hintId) {
    const card = this.byId.get(hintId);
    if (card) card.hint.state = "shown";
  }

  act(card, state) {
    if (card.phase !== "open") return;
    const hadFocus = card.element.contains(document.activeElement);
    card.ask(state);
    if (hadFocus) card.toggle.focus({ preventScroll: true });
    this.#waitForAnswer(card, () => this.#close(card));
    this.ack(card.hint.hint_id, state);
    this.onChange();
  }

  /** The reason was another: which? Who says nothing has still said that it was wrong. */
  #wonder(card) {
    card.askWhich();
    this.#waitForAnswer(card, () => this.#answer(card, { helpful: false }));
  }

  #waitForAnswer(card, giveUp) {
    clearTimeout(card.timer);
    card.timer = setTimeout(giveUp, ANSWER_WITHIN_MS);
  }

  /** The server could not note it. */
  refuse(hintId, isTemporary, words) {
    const card = this.byId.get(hintId);
    if (!card || card.phase !== "asked") return;
    clearTimeout(card.timer);
    if (isTemporary) card.reopen();
    else this.#letGo(card, words);
    this.onChange();
  }

  speakAnew() {
    for (const card of this.byId.values()) card.render();
  }

  move(step) {
    const cards = [...this.list.children].map((element) => this.byId.get(element.dataset.hint)).filter(Boolean);
    if (cards.length === 0) return;
    const now = cards.findIndex((card) => card.hint.hint_id === this.selected);
    const next = now < 0 ? 0 : Math.min(cards.length - 1, Math.max(0, now + step));
    cards[next].focus();
  }

  get current() {
    return this.byId.get(this.selected);
  }

  #answer(card, opinion) {
    this.ack(card.hint.hint_id, card.done, opinion);
    this.note(this.thanks());
    this.#close(card);
  }

  #close(card) {
    clearTimeout(card.timer);
    this.#letGo(card, whyGone({ cause: card.done }), 900);
  }

  #letGo(card, why, afterMs) {
    const wasSelected = card.element.contains(document.activeElement);
    if (wasSelected) this.#focusBeside(card);
    card.leave(why, afterMs);
    this.#forget(card);
  }

  #focusBeside(card) {
    const beside = card.element.nextElementSibling ?? card.element.previousElementSibling;
    const other = beside && this.byId.get(beside.dataset.hint);
    if (other) other.focus();
    else this.list.closest("section").focus({ preventScroll: true });
  }

  #remove(card) {
    clearTimeout(card.timer);
    card.element.remove();
    this.#forget(card);
  }

  #forget(card) {
    this.byId.delete(card.hint.hint_id);
    this.observer.unobserve(card.element);
    this.inView.delete(card.hint.hint_id);
    this.onChange();
  }

  #cardOf(target) {
    return this.byId.get(target.closest("[data-hint]")?.dataset.hint);
  }

  #seen(entries) {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) this.inView.set(target.dataset.hint, Date.now());
      else this.inView.delete(target.dataset.hint);
    }
  }

  #tick() {
    const now = Date.now();
    for (const card of [...this.byId.values()]) {
      card.tick(now);
      if (card.phase === "open" && card.expiresAt <= now) this.#letGo(card, whyGone({ cause: "expired" }));
    }
    if (document.visibilityState === "visible") this.#tellShown(now);
  }

  #tellShown(now) {
    for (const [hintId, since] of this.inView) {
      if (now - since < SEEN_AFTER_MS) continue;
      this.inView.delete(hintId);
      const card = this.byId.get(hintId);
      if (card?.phase === "open" && ["created", "delivered", undefined].includes(card.hint.state)) {
        card.hint.state = "shown";
        this.ack(hintId, "shown");
      }
    }
  }
}
