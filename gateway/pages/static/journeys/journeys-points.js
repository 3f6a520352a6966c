// The list of pain points: what hurts, since when, who answers for it, and what can be said of it.
import { api } from "../shared/sign-in-gate.js";
import { el } from "../shared/dom.js";
import { languageTag, say, t } from "../shared/i18n.js";

export const percent = (share) => (share === null || share === undefined ? "–" : `${(share * 100).toFixed(Math.abs(share) < 0.1 ? 1 : 0)} %`);
const day = (iso) => new Date(iso).toLocaleString(languageTag(), { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });

function scope(point) {
  const [kind, name] = point.scope.split(":");
  return name ? t(`point.scope.${kind}`, { name }) : t("point.all");
}

function symptom(each) {
  const beside = each.against === "neighbours" ? ".beside" : "";
  return el("li", {}, t(`point.${each.metric}${beside}`, { found: percent(each.found), usual: percent(each.usual) }));
}

function boundary({ boundary: at, owner }) {
  if (at.kind === "step" || !owner) return null;
  const [before, after] = at.kind === "department" ? [at.owner_before.department, owner.department] : [at.owner_before.system, owner.system];
  return el("p", { class: "edge" }, t(`point.boundary.${at.kind}`, { before, after }));
}

function fix(point) {
  if (!point.fix) return null;
  const { before, after, difference, low, high, verdict } = point.fix;
  const words = difference === null ? "" : t("point.fix", { before: percent(before.share), after: percent(after.share), difference: percent(difference), low: percent(low), high: percent(high) });
  return el("p", { class: "fix", "data-verdict": verdict }, el("b", {}, t(`point.fix.${verdict}`)), words ? ` ${words}` : "");
}

/** The element of one pain point. `titles`: what its journey and step are called; `act(point, report)` sends a report. */
export function pointElement(point, titles, act) {
  const owner = point.owner && el("p", { class: "owner" }, t("point.owner", point.owner));
  const notes = [t("point.since", { at: day(point.since) }), scope(point)];
  if (point.lost_a_week >= 1) notes.unshift(t("point.lost", { n: Math.round(point.lost_a_week) }));
  if (point.assignee) notes.push(t("point.assignee", { name: point.assignee }));
  if (point.times_reopened) notes.push(t("point.reopened", { n: point.times_reopened }));
  return el(
    "li",
    { class: "point", "data-id": point.id, "data-state": point.state },
    el("div", { class: "point-head" }, el("h3", {}, `${say(titles.step)} `, el("small", {}, say(titles.journey))), el("span", { class: "tag" }, t(`point.state.${point.state}`))),
    el("ul", { class: "symptoms" }, ...point.symptoms.map(symptom)),
    el("p", { class: "notes" }, notes.join(" · ")),
    boundary(point),
    owner,
    fix(point),
    buttons(point, act),
  );
}

function buttons(point, act) {
  const may = { open: ["assigned", "fixed", "dismissed"], assigned: ["assigned", "fixed", "dismissed"], fixed: ["dismissed"] }[point.state] ?? [];
  if (!may.length) return null;
  const assign = el("form", { class: "assign" }, el("input", { required: true, maxlength: 100, "aria-label": t("point.assign.who"), placeholder: t("point.assign.who") }), el("button", { class: "small" }, t("point.assign")));
  assign.addEventListener("submit", (event) => {
    event.preventDefault();
    act(point, { state: "assigned", assignee: assign.querySelector("input").value.trim() });
  });
  const button = (state, words) => may.includes(state) && el("button", { class: "small", type: "button", onclick: () => act(point, { state }) }, t(words));
  return el("div", { class: "acts" }, may.includes("assigned") ? assign : null, button("fixed", "point.fixed") || null, button("dismissed", "point.dismiss") || null);
}

export const report = (point, token, body) => api(`/v1/pain-points/${point.id}/states`, token, { method: "POST", body });
