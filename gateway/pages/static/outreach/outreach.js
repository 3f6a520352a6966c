// The outreach page: who sits here, the list as it changes, claims and outcomes, the keys.
import "./outreach-i18n.js";
import { enter } from "../shared/sign-in-gate.js";
import { CallCard, OUTCOMES } from "./outreach-card.js";
import { Feed } from "./outreach-feed.js";
import { SignIn } from "../shared/sign-in.js";
import { clock } from "../shared/times.js";
import { note } from "../shared/toast.js";
import { fillWords, onLanguage, say, startWords, t } from "../shared/i18n.js";

const by = (id) => document.getElementById(id);
const cards = new Map();
const journeys = new Map();
const ended = new Set();
let feed = null;
let state = { name: "connecting", details: {} };
let lastLive = null;
let wasBehind = false;
let isFirst = true;
let hasMore = false;
let selected = null;

const signIn = new SignIn("desk", [by("outreach"), by("status")]);
const acts = { claim, release, end, close: (card) => drop(card), note };

function take({ outreach, next_cursor: nextCursor }) {
  const wanted = outreach.filter((entry) => !ended.has(entry.outreach_id));
  hasMore = nextCursor !== null;
  const ids = new Set(wanted.map((entry) => entry.outreach_id));
  for (const card of [...cards.values()]) {
    if (!ids.has(card.id) && !card.isGone) card.isMine ? card.leaveList() : drop(card);
  }
  let added = 0;
  for (const entry of wanted) {
    journeys.set(entry.journey, entry.journey_title);
    const known = cards.get(entry.outreach_id);
    if (known) known.update(entry);
    else {
      cards.set(entry.outreach_id, new CallCard(entry, acts));
      added += 1;
    }
  }
  arrange(wanted);
  if (added && !isFirst) announce(t("outreach.say.more", { n: added }));
  isFirst = false;
  selected ??= wanted[0]?.outreach_id ?? null;
  showJourneys();
  showList();
}

/** In the order of the list; what left it while we were calling stays on top. Nodes move only when they must. */
function arrange(wanted) {
  const list = by("cards");
  const gone = [...cards.values()].filter((card) => card.isGone);
  const order = [...gone, ...wanted.map((entry) => cards.get(entry.outreach_id))];
  const focused = document.activeElement;
  order.forEach((card, index) => {
    if (list.children[index] !== card.element) list.insertBefore(card.element, list.children[index] ?? null);
  });
  if (focused !== document.activeElement && list.contains(focused)) focused.focus({ preventScroll: true });
}

function drop(card) {
  const hadFocus = card.element.contains(document.activeElement);
  const beside = card.element.nextElementSibling ?? card.element.previousElementSibling;
  cards.delete(card.id);
  card.element.remove();
  if (selected === card.id) selected = beside?.dataset.outreach ?? null;
  if (hadFocus) (cards.get(selected)?.toggle ?? by("list")).focus({ preventScroll: true });
  showList();
}

async function attempt(card, work, done) {
  try {
    done(await work());
  } catch (error) {
    const key = `refused.${error.kind}`;
    note(t(key) === key ? t("refused.unavailable") : t(key));
    if (["over", "not_found"].includes(error.kind)) drop(card);
  }
  feed.now(true);
}

function claim(card) {
  if (card.isGone || card.isTheirs || card.isAsleep) return;
  const renews = card.isMine;
  attempt(card, () => feed.write("POST", `/v1/outreach/${card.id}/claims`), (answer) => {
    const { claimed_by, claimed_until } = answer;
    card.update({ ...card.entry, claimed_by, claimed_until, mine: true });
    if (!renews) {
      card.open(true);
      card.focus();
      note(t("outreach.claimed"));
    }
    showList();
  });
}

function release(card) {
  if (!card.isMine) return;
  attempt(card, () => feed.write("DELETE", `/v1/outreach/${card.id}/claims`), () => {
    card.entry = { ...card.entry, claimed_by: null, claimed_until: null, mine: false };
    card.open(false);
    note(t("outreach.released"));
    showList();
  });
}

function end(card, outcome) {
  attempt(card, () => feed.write("POST", `/v1/outreach/${card.id}/outcomes`, { outcome }), () => {
    ended.add(card.id);
    note(t("outreach.noted", { outcome: t(`outcome.${outcome}`) }));
    drop(card);
  });
}

function announce(text) {
  by("announcer").textContent = text;
}

function showList() {
  const all = [...cards.values()];
  const mine = all.filter((card) => card.isMine).length;
  const theirs = all.filter((card) => card.isTheirs).length;
  const asleep = all.find((card) => card.isAsleep);
  by("now-waiting").textContent = all.filter((card) => !card.isGone).length - mine - theirs;
  by("now-called").textContent = theirs;
  by("now-mine").textContent = mine;
  by("count").textContent = all.length || "";
  by("empty").hidden = all.length > 0 || isFirst;
  by("night").hidden = !asleep;
  if (asleep) by("night").textContent = t("outreach.night", { at: clock(Date.parse(asleep.entry.quiet_until)).slice(0, 5) });
  by("longer").hidden = !hasMore;
  by("longer").textContent = t("outreach.longer", { n: all.length });
  document.title = (all.length ? `(${all.length}) ` : "") + t("outreach.title");
}

const wantedJourney = () => new URLSearchParams(location.search).get("journey") ?? "";

function showJourneys() {
  const select = by("journey");
  const names = [["", t("outreach.journey.all")], ...[...journeys].map(([code, title]) => [code, say(title)])];
  const chosen = wantedJourney();
  if (chosen && !journeys.has(chosen)) names.push([chosen, chosen]);
  const drawn = JSON.stringify([names, chosen]);
  if (select.dataset.drawn === drawn) return;
  select.dataset.drawn = drawn;
  select.replaceChildren(...names.map(([code, title]) => new Option(title, code, false, code === chosen)));
}

function onState(name, details) {
  const isBehind = name === "waiting";
  if (isBehind && !wasBehind) announce(t("outreach.say.behind"));
  if (name === "live" && wasBehind) announce(t("outreach.say.live"));
  if (name === "live") lastLive = details.at;
  if (name === "refused") signIn.ask(details.reason);
  wasBehind = isBehind;
  state = { name, details };
  showState();
}

function showState() {
  const { name, details } = state;
  const seconds = details.until ? Math.max(0, Math.ceil((details.until - Date.now()) / 1000)) : 0;
  const words = t(`outreach.status.${name}`, { n: seconds });
  by("status").dataset.state = name;
  if (by("status-words").textContent !== words) by("status-words").textContent = words;
  const isBehind = name === "waiting";
  by("banner").hidden = !isBehind;
  document.body.classList.toggle("is-stale", isBehind || name === "refused");
  const key = lastLive ? "outreach.banner" : "outreach.banner.first";
  if (isBehind) by("banner-words").textContent = t(key, { n: seconds, at: lastLive ? clock(lastLive) : "" });
}

function move(step) {
  const order = [...by("cards").children].map((element) => cards.get(element.dataset.outreach));
  if (order.length === 0) return;
  const now = order.findIndex((card) => card.id === selected);
  const next = order[now < 0 ? 0 : Math.min(order.length - 1, Math.max(0, now + step))];
  next.focus();
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  a: (card) => claim(card),
  r: (card) => card.isMine && claim(card),
  x: (card) => release(card),
  ...Object.fromEntries(OUTCOMES.map((outcome, index) => [String(index + 1), (card) => card.end(outcome)])),
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  const act = KEYS[event.key.toLowerCase()];
  const card = cards.get(selected);
  if (!act || by("outreach").hidden || (act.length && !card)) return;
  event.preventDefault();
  act(card);
});

by("cards").addEventListener("focusin", ({ target }) => (selected = target.closest("[data-outreach]")?.dataset.outreach ?? selected));
by("journey").addEventListener("change", ({ target }) => {
  history.replaceState(null, "", target.value ? `?journey=${encodeURIComponent(target.value)}` : location.pathname);
  isFirst = true;
  feed.now(true);
});
by("retry").addEventListener("click", () => feed.now());

onLanguage(() => {
  fillWords();
  for (const card of cards.values()) card.render();
  showJourneys();
  showList();
  showState();
});

startWords();
showState();
showJourneys();
setInterval(() => {
  showState();
  for (const card of cards.values()) card.tick();
}, 1000);
const { token } = enter("desk");
if (token) {
  feed = new Feed({ token, journey: wantedJourney, onList: take, onState });
  feed.now();
} else signIn.ask();
