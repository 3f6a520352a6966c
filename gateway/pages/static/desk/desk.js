// The desk: who sits here, the link that brings hints, what is told of the connection, the keys.
import "./desk-i18n.js";
import { Bundles } from "./bundle.js";
import { Cards } from "./cards.js";
import { Day } from "./day.js";
import { api, enter, socketAddress } from "../shared/sign-in-gate.js";
import { Link } from "../shared/link.js";
import { Queue } from "./queue.js";
import { SignIn } from "../shared/sign-in.js";
import { clock } from "../shared/times.js";
import { note } from "../shared/toast.js";
import { fillWords, onLanguage, say, startWords, t } from "../shared/i18n.js";

const by = (id) => document.getElementById(id);
const RETRY_ACK_MS = 3000;
let link = null;
let day = null;
let state = { name: "connecting", details: {} };
let unsaid = [];

const cards = new Cards(by("cards"), {
  ack: (hintId, hintState, opinion) => report(hintId, hintState, opinion),
  note,
  onChange: () => showCount(),
  thanks: () => t("card.thanks"),
});
const bundles = new Bundles(by("contacts"), by("bundles"), { note, announce: announceText });
const unconfirmed = new Map();
const taken = new Set();
const queue = new Queue(by("queue"), by("queued"), by("queue-count"), {
  token: () => link.token,
  note,
  announce: announceText,
  onChange: () => showCount(),
  onTaken: (hintId) => cards.show(hintId) || taken.add(hintId),
});
const signIn = new SignIn("desk", [by("desk"), by("status")]);

function report(hintId, hintState, opinion) {
  if (hintState !== "shown" && opinion === undefined) unconfirmed.set(hintId, hintState);
  link.ack(hintId, hintState, opinion);
}

async function reload() {
  const { epoch, offset, hints } = await api("/v1/hints", link.token);
  cards.replace(hints);
  bundles.replace((await api("/v1/bundles", link.token)).bundles);
  for (const hint of hints) countReceived(hint);
  return { epoch, offset };
}

function take(event) {
  const { type, data } = event;
  if (type === "zhiyin.hint.created") {
    countReceived(data);
    if (cards.add(data)) announce("new", data);
    if (taken.delete(data.hint_id)) cards.show(data.hint_id);
  } else if (type === "zhiyin.bundle.created") bundles.add(data);
  else if (type === "zhiyin.bundle.changed") bundles.change(data);
  else if (type === "zhiyin.bundle.closed") bundles.close(data);
  else if (type === "zhiyin.hint.shown") cards.shown(data.hint_id);
  else ended(data);
}

function countReceived(hint) {
  const isToday = new Date(hint.created_at).toDateString() === new Date().toDateString();
  if (isToday) day?.count("received", hint.hint_id);
}

function ended(data) {
  const mine = unconfirmed.delete(data.hint_id);
  if (data.cause === "used") day?.count("used", data.hint_id);
  if (["returned", "completed"].includes(data.cause)) day?.count("back", data.hint_id);
  const hint = mine ? null : cards.end(data);
  if (hint) announce("gone", hint, t(`cause.${data.cause}`));
}

function refused(frame) {
  const wanted = unconfirmed.get(frame.id);
  if (!wanted) return;
  if (frame.temporary) {
    note(t("card.refused.unavailable"));
    setTimeout(() => unconfirmed.has(frame.id) && link.ack(frame.id, wanted), RETRY_ACK_MS);
    return;
  }
  unconfirmed.delete(frame.id);
  cards.refuse(frame.id, false, t(`card.refused.${frame.code}`));
}

function announce(kind, hint, why) {
  const values = { why, reason: say(hint.reason_title), journey: say(hint.journey_title) };
  announceText(t(`say.${kind}`, values));
}

/** Said by screen readers; many at once become one sentence. */
function announceText(text) {
  unsaid.push(text);
  if (unsaid.length > 1) return;
  setTimeout(() => {
    by("announcer").textContent = unsaid.length > 3 ? t("say.new.many", { n: unsaid.length }) : unsaid.join("。");
    unsaid = [];
  }, 600);
}

function showCount() {
  const { count } = cards;
  by("count").textContent = count || "";
  const isFull = by("cards").childElementCount > 0 || state.name === "connecting" || !day;
  by("empty").hidden = isFull || queue.byId.size > 0;
  by("nobody").hidden = isFull || queue.byId.size === 0;
  document.title = (count ? `(${count}) ` : "") + t("desk.title");
}

function showDay({ received, used, back }) {
  by("today-received").textContent = received.size;
  by("today-used").textContent = used.size;
  by("today-back").textContent = back.size;
}

let lastLive = null;
function onState(name, details) {
  if (state.name === "live" && name !== "live") {
    lastLive = new Date(link.heardAt);
    announceText(t("say.behind"));
  }
  state = { name, details };
  if (name === "live") {
    if (lastLive) announceText(t("say.live"));
    lastLive = null;
    by("where").textContent = link.who.subject;
    day ??= new Day(link.who.subject, showDay);
    for (const card of cards.byId.values()) countReceived(card.hint);
    for (const [hintId, wanted] of unconfirmed) link.ack(hintId, wanted);
  }
  if (name === "refused") signIn.ask(details.reason);
  showState();
}

function showState() {
  const { name, details } = state;
  const seconds = details.until ? Math.max(0, Math.ceil((details.until - Date.now()) / 1000)) : 0;
  const since = details.since ?? lastLive;
  const at = since ? clock(since) : "";
  const pill = t(`status.${name}`, { n: seconds, at });
  by("status").dataset.state = name;
  if (by("status-words").textContent !== pill) by("status-words").textContent = pill;
  const isBehind = ["waiting", "stale", "connecting"].includes(name) && Boolean(since);
  by("banner").hidden = !isBehind;
  by("retry").hidden = name !== "waiting";
  document.body.classList.toggle("is-stale", isBehind || name === "refused");
  if (isBehind) by("banner-words").textContent = t(`banner.${name}`, { n: seconds, at });
  showCount();
}

async function begin(token) {
  const feeds = [
    { channel: "desk", reload, onEvent: take },
    { channel: "queue", reload: () => queue.reload(), onEvent: (event) => queue.hear(event) },
  ];
  link = new Link({ url: await socketAddress(), token, feeds, onState, onRefusal: refused });
  link.start();
}

const KEYS = {
  b: () => bundles.focus(),
  j: () => cards.move(1),
  k: () => cards.move(-1),
  u: () => cards.current && cards.act(cards.current, "used"),
  d: () => cards.current && cards.act(cards.current, "dismissed"),
  c: () => cards.current?.copySay(),
  q: () => queue.focus(),
  t: () => queue.takeOne(),
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea")) return;
  const act = KEYS[event.key.toLowerCase()];
  if (act && !by("desk").hidden) {
    event.preventDefault();
    act();
  }
});

by("retry").addEventListener("click", () => link.retryNow());

onLanguage(() => {
  fillWords();
  cards.speakAnew();
  bundles.render();
  queue.render();
  showState();
});

startWords();
showState();
setInterval(showState, 1000);
const { token } = enter("desk");
if (token) begin(token);
else signIn.ask();
