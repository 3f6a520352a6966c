// The contacts this desk is in: for each customer what was interrupted and what else is to be settled, at once.
import "./bundle-i18n.js";
import { copyText, el, icon } from "../shared/dom.js";
import { masked } from "../shared/hint-i18n.js";
import { age } from "../shared/times.js";
import { say, t } from "../shared/i18n.js";

const CHANNELS = new Set(["phone", "counter", "chat"]);
const channelWord = (bundle) => t(`bundle.channel.${CHANNELS.has(bundle.channel) ? bundle.channel : "other"}`);

export class Bundles {
  /** `section`: hidden while there is no contact; `list`: where they go; `note(text)`, `announce(text)`. */
  constructor(section, list, { note, announce }) {
    Object.assign(this, { section, list, note, announce });
    this.byCustomer = new Map();
    setInterval(() => this.#tick(), 1000);
  }

  /** All there are, newest first; what is no longer among them goes without a word. */
  replace(bundles) {
    this.byCustomer.clear();
    for (const bundle of [...bundles].reverse()) this.byCustomer.set(bundle.customer_id, bundle);
    this.render();
  }

  add(bundle) {
    if (Date.parse(bundle.expires_at) <= Date.now()) return;
    const known = this.byCustomer.get(bundle.customer_id);
    if (known?.bundle_id === bundle.bundle_id) return;
    this.byCustomer.delete(bundle.customer_id);
    this.byCustomer.set(bundle.customer_id, bundle);
    this.render();
    const matters = mattersOf(bundle);
    const what = matters.length ? t("say.bundle.what", { n: matters.length, first: say(matters[0].title) }) : t("bundle.nothing");
    this.announce(t("say.bundle", { channel: channelWord(bundle), what }));
  }

  /** What the customer struggles with has changed, in the middle of the contact. */
  change({ bundle_id: bundleId, customer_id: customerId, struggling }) {
    const known = this.byCustomer.get(customerId);
    if (known?.bundle_id !== bundleId) return;
    this.byCustomer.set(customerId, { ...known, struggling });
    this.render();
    this.announce(struggling ? t("say.bundle.struggling", { what: say(struggling.reason_title) }) : t("say.bundle.calm"));
  }

  /** The contact is over. */
  close({ bundle_id: bundleId, customer_id: customerId }) {
    if (this.byCustomer.get(customerId)?.bundle_id !== bundleId) return;
    this.byCustomer.delete(customerId);
    this.render();
    this.announce(t("say.bundle.end"));
  }

  focus() {
    this.list.querySelector("summary")?.focus();
  }

  render() {
    const open = this.#openMatters();
    const bundles = [...this.byCustomer.values()].reverse();
    this.list.replaceChildren(...bundles.map((bundle) => this.#drawn(bundle, open)));
    this.section.hidden = bundles.length === 0;
    this.#tick();
  }

  /** Which matters the agent has opened or closed: drawing anew leaves them so. */
  #openMatters() {
    const found = [...this.list.querySelectorAll("details")].map((each) => [each.dataset.matter, each.open]);
    return new Map(found);
  }

  #drawn(bundle, open) {
    const headingId = `bundle-${bundle.bundle_id}`;
    const matters = mattersOf(bundle);
    return el(
      "article",
      { class: "bundle", "data-bundle": bundle.bundle_id, "aria-labelledby": headingId },
      this.#head(bundle, headingId),
      matters.length === 0
        ? el("p", { class: "bundle-nothing" }, t("bundle.nothing"))
        : el("ol", { class: "matters" }, ...matters.map((matter, place) => this.#matter(bundle, matter, place, open))),
      bundle.more > 0 ? el("p", { class: "bundle-more" }, t("bundle.more", { n: bundle.more })) : null,
    );
  }

  #head(bundle, headingId) {
    const id = bundle.customer_id;
    const copy = async () => this.note((await copyText(id)) ? t("card.copied") : t("card.not-copied"));
    return el(
      "div",
      { class: "bundle-head" },
      el("h2", { id: headingId }, el("span", { class: "channel" }, channelWord(bundle)), " ", masked(id)),
      el(
        "button",
        { class: "bare small", type: "button", "aria-label": t("card.copy.customer", { id }), title: id, onclick: copy },
        icon("copy"),
      ),
      el("span", { class: "age", "data-since": bundle.at }),
    );
  }

  #matter(bundle, matter, place, open) {
    const name = `${bundle.bundle_id} ${matter.code}`;
    return el(
      "li",
      { "data-kind": matter.kind },
      el(
        "details",
        { "data-matter": name, open: open.get(name) ?? place === 0 },
        el(
          "summary",
          {},
          el("span", { class: "matter-title" }, say(matter.title)),
          el("span", { class: "matter-kind" }, t(`bundle.${matter.kind}`)),
          matter.where ? el("span", { class: "matter-where" }, matter.where) : null,
        ),
        this.#body(matter),
      ),
    );
  }

  #body(matter) {
    const copy = async () => this.note((await copyText(say(matter.text))) ? t("card.copied") : t("card.not-copied"));
    const lines = say(matter.article.body).split("\n").filter((line) => line.trim());
    const steps = lines.map((line) => el("li", {}, el("span", {}, line.replace(/^\s*(\d+[.、)]|[-•])\s*/, ""))));
    const button = el("button", { class: "bare small", type: "button", onclick: copy }, icon("copy"), t("card.copy.say"));
    return el(
      "div",
      { class: "matter-body" },
      el("div", { class: "say" }, el("h3", {}, t("card.say"), button), el("p", {}, say(matter.text))),
      el("div", { class: "article" }, el("h3", {}, el("b", {}, say(matter.article.title))), el("ol", {}, ...steps)),
    );
  }

  #tick(now = Date.now()) {
    const over = [...this.byCustomer.values()].filter((each) => Date.parse(each.expires_at) <= now);
    for (const each of over) this.close(each);
    for (const each of this.list.querySelectorAll("[data-since]")) {
      const words = t("bundle.since", { age: age(Date.parse(each.dataset.since), now) });
      if (each.textContent !== words) each.textContent = words;
    }
  }
}

/** What goes wrong now first, then the interruption, then the needs, in one shape. */
function mattersOf(bundle) {
  const needs = bundle.needs.map((need) => ({
    ...need,
    kind: "need",
    where: need.policies.length ? t("bundle.policies", { ids: need.policies.join(", ") }) : null,
  }));
  const troubles = ["struggling", "interruption"].filter((kind) => bundle[kind]).map((kind) => troubleOf(bundle[kind], kind));
  return [...troubles, ...needs];
}

function troubleOf(hint, kind) {
  const where = [say(hint.journey_title), hint.step_title ? say(hint.step_title) : hint.step].filter(Boolean).join(" › ");
  return { ...hint, code: `${kind} ${hint.hint_id}`, kind, title: hint.reason_title, where };
}
