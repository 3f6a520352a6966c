// The journeys page: who looks, at what, and what is drawn; asked anew every three seconds.
import "./journeys-i18n.js";
import { ApiError, api, enter } from "../shared/sign-in-gate.js";
import { el } from "../shared/dom.js";
import { drawFlow, drawFunnel, lostAt, sparkline } from "./journeys-charts.js";
import { percent, pointElement, report } from "./journeys-points.js";
import { SignIn } from "../shared/sign-in.js";
import { languageTag, onLanguage, say, startWords, t } from "../shared/i18n.js";

const EVERY_MS = 3000;
const PAGE = "journeys";
const by = (id) => document.getElementById(id);
const { token } = enter(PAGE);
const signIn = new SignIn(PAGE, [by("map"), by("status")], { heading: "journeys.sign", ask: "journeys.sign.ask" });
let journeys = [];
let map = null;
let points = [];
let lastLive = null;
let round = 0;
let timer = null;

const chosen = () => ({
  journey: by("journey").value,
  channel: by("channel").value,
  group: by("group").value,
  window: document.querySelector("input[name=window]:checked").value,
});

async function look() {
  clearTimeout(timer);
  const mine = ++round;
  try {
    journeys = (await api("/v1/journeys", token)).journeys;
    fillJourneys();
    const asked = chosen();
    const query = new URLSearchParams({ window: asked.window, channel: asked.channel, group: asked.group });
    const found = asked.journey ? await api(`/v1/journeys/${encodeURIComponent(asked.journey)}/map?${query}`, token) : null;
    const all = (await api("/v1/pain-points", token)).pain_points;
    if (mine !== round) return;
    [map, points, lastLive] = [found, all, new Date()];
    draw();
    status("live");
  } catch (error) {
    if (mine !== round) return;
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401 || error.status === 403) return signIn.ask(error.message);
    status(lastLive ? "stale" : "connecting");
  }
  timer = setTimeout(look, EVERY_MS);
}

function status(name) {
  by("status").dataset.state = name;
  const at = name === "live" ? map && new Date(map.as_of) : lastLive;
  const isOld = name === "live" && at && Date.now() - at > 120_000;
  const clock = at && at.toLocaleString(languageTag(), { dateStyle: isOld ? "medium" : undefined, timeStyle: "medium" });
  by("status-words").textContent = t(isOld ? "status.as-of" : `status.${name}`, { at: clock ?? "" });
}

function fillSelect(select, options, keep) {
  const wanted = JSON.stringify(options);
  if (select.dataset.options === wanted) return;
  select.dataset.options = wanted;
  const before = keep ?? select.value;
  select.replaceChildren(...options.map(([value, label]) => el("option", { value, selected: value === before }, label)));
}

function fillJourneys() {
  const wanted = new URLSearchParams(location.search).get("journey");
  fillSelect(by("journey"), journeys.map((each) => [each.journey, say(each.title)]), by("journey").value || wanted);
}

function fillParts() {
  const all = ["", t("journeys.all")];
  fillSelect(by("channel"), [all, ...map.channels.map((name) => [name, name])]);
  fillSelect(by("group"), [all, ...map.groups.map((name) => [name, name])]);
  by("group-label").hidden = map.groups.every((name) => name === "other");
}

function draw() {
  by("empty").hidden = map !== null;
  by("content").hidden = map === null;
  if (map === null) return;
  fillParts();
  drawTotals();
  const back = drawFlow(by("flow"), map);
  by("back").hidden = back === 0;
  by("back").textContent = t("journeys.back", { n: back });
  const lost = map.steps.reduce((sum, step) => sum + lostAt(step), 0);
  const says = t("journeys.flow.says", { journey: say(map.title), started: map.totals.started, completed: map.totals.completed, lost });
  by("flow").setAttribute("aria-label", says);
  drawFunnel(by("funnel"), map);
  by("funnel").setAttribute("aria-label", says);
  drawSteps();
  drawAnswers();
  drawPoints();
}

function drawTotals() {
  const { totals, series } = map;
  const entries = Math.max(1, totals.started);
  const total = (kind) =>
    el(
      "div",
      { class: `total ${kind}` },
      el("dt", {}, t(`total.${kind}`)),
      el("dd", {}, el("b", {}, totals[kind].toLocaleString(languageTag())), kind === "started" ? null : el("small", {}, t("total.of", { n: percent(totals[kind] / entries) })), series[kind] ? sparkline(series[kind]) : null),
    );
  by("totals").replaceChildren(...["started", "completed", "abandoned", "returned"].map(total));
}

const seconds = (value) => (value === null ? "–" : t("seconds", { n: value < 10 ? value : Math.round(value) }));

function drawSteps() {
  const names = ["step", "step.arrived", "step.loss", "step.returned", "step.failure", "step.codes", "step.dwell", "step.owner"];
  const head = el("tr", {}, ...names.map((name) => el("th", { scope: "col" }, t(name))));
  const row = (step) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, say(step.title)),
      el("td", {}, String(step.arrived)),
      el("td", {}, percent(step.loss.share)),
      el("td", {}, String(step.returned)),
      el("td", {}, percent(step.failure.share)),
      el("td", { class: "codes" }, step.failures.slice(0, 3).map((each) => `${each.code} ${each.count}`).join(", ") || "–"),
      el("td", {}, `${seconds(step.dwell.p50_s)} / ${seconds(step.dwell.p90_s)}`),
      el("td", {}, step.owner ? step.owner.department : "–"),
    );
  by("steps").replaceChildren(el("thead", {}, head), el("tbody", {}, ...map.steps.map(row)));
}

function drawAnswers() {
  const said = map.satisfaction;
  const share = (found) => (found.of ? [percent(found.share), t("answers.of", { n: found.of })] : ["–", t("answers.none")]);
  const rows = [
    ["satisfied", ...share(said.satisfied)],
    ["mean", said.mean_score ?? "–", said.surveys ? t("answers.of", { n: said.surveys }) : t("answers.none")],
    ["helped", ...share(said.helped)],
    ["solved", ...share(said.solved)],
    ["interrupted", percent(said.interrupted), ""],
  ];
  by("answers").replaceChildren(...rows.map(([name, value, note]) => el("div", {}, el("dt", {}, t(`answers.${name}`)), el("dd", {}, el("b", {}, String(value)), el("small", {}, note)))));
}

/** Nothing is drawn anew while somebody writes into it, or holds the focus in what has not changed. */
function drawPoints() {
  const list = by("points");
  const state = JSON.stringify([points, languageTag()]);
  by("points-count").textContent = points.filter((each) => each.state === "open" || each.state === "assigned").length || "";
  by("no-points").hidden = points.length > 0;
  const isWriting = list.contains(document.activeElement) && document.activeElement.tagName === "INPUT";
  if (list.dataset.state === state || isWriting) return;
  list.dataset.state = state;
  list.replaceChildren(...points.map((point) => pointElement(point, titlesOf(point), act)));
}

function titlesOf(point) {
  const journey = journeys.find((each) => each.journey === point.journey);
  const step = journey?.steps.find((each) => each.id === point.step);
  return { journey: journey?.title ?? { en: point.journey }, step: step?.title ?? { en: point.step } };
}

async function act(point, body) {
  try {
    await report(point, token, body);
    by("spoken").textContent = t("point.sent");
    by("points-heading").tabIndex = -1;
    by("points-heading").focus();
  } catch (error) {
    by("spoken").textContent = t("point.refused", { why: error.message });
  }
  setTimeout(look, 1200);
}

by("filters").addEventListener("change", look);
by("filters").addEventListener("submit", (event) => event.preventDefault());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());

onLanguage(() => {
  document.title = t("journeys.brand");
  if (lastLive) {
    for (const select of ["journey", "channel", "group"]) by(select).dataset.options = "";
    fillJourneys();
    draw();
    status("live");
  }
});
startWords();
document.title = t("journeys.brand");
status("connecting");
if (token) look();
else signIn.ask();
