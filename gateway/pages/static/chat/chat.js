// The demo chatbot: opens with the customer's last interruption, speaks first when a new one comes.
import "./chat-i18n.js";
import { Questions, drawnQuestions } from "./chat-questions.js";
import { el } from "../shared/dom.js";
import { api, enter, forgetToken, keepToken, socketAddress } from "../shared/sign-in-gate.js";
import { Link } from "../shared/link.js";
import { fillWords, onLanguage, say, startWords, t } from "../shared/i18n.js";

const by = (id) => document.getElementById(id);
const THINKS_MS = 700;
const PATIENCE_MS = 4000;
const ABOVE_PX = 12;
const customer = new URLSearchParams(location.search).get("customer");
const lines = [];
const met = new Set();
let token = null;
let link = null;
let current = null;
let replies = [];
let waiting = [];
let isTalking = false;
let asked = null;
let state = "connecting";

/** A line is kept as a function of the language, so that it can be said anew in the other one. */
function put(line) {
  lines.push(line);
  by("lines").append(drawn(line));
  showLast();
}

/** To the end, but never past the beginning of the last line: long help is read from its top. */
function showLast() {
  const talk = by("talk");
  const last = by("lines").lastElementChild;
  const top = last ? last.offsetTop - talk.offsetTop - ABOVE_PX : 0;
  talk.scrollTop = Math.min(talk.scrollHeight, top);
}

function drawn(line) {
  if (line.article) return help(line.article);
  if (line.list) return drawnQuestions(line);
  return el("li", { class: line.mine ? "line mine" : "line" }, line.words());
}

const questions = new Questions({ token: () => token, customer, speak, offer, after: async () => current || (await questions.offered()) });

function help(article) {
  const steps = say(article.body).split("\n").filter((each) => each.trim());
  const items = steps.map((each) => el("li", {}, el("span", {}, each.replace(/^\s*(\d+[.、)]|[-•])\s*/, ""))));
  return el("li", { class: "line help" }, el("h2", {}, say(article.title)), el("ol", {}, ...items));
}

/** Says things one after the other, as somebody who types would. */
async function speak(...said) {
  waiting.push(...said);
  if (isTalking) return;
  isTalking = true;
  while (waiting.length > 0) {
    const next = waiting.shift();
    if (typeof next === "function") next();
    else {
      by("typing").hidden = false;
      by("talk").scrollTop = by("talk").scrollHeight;
      await new Promise((done) => setTimeout(done, THINKS_MS));
      by("typing").hidden = true;
      put(next);
    }
  }
  isTalking = false;
}

const line = (key) => ({ words: () => t(key) });

function offer(...choices) {
  replies = choices;
  const hadFocus = by("replies").contains(document.activeElement);
  by("replies").replaceChildren(...choices.map(([key, act]) => el("button", { type: "button", onclick: () => choose(key, act) }, t(key))));
  if (hadFocus) (by("replies").querySelector("button") ?? by("talk")).focus();
  showLast();
}

async function choose(key, act) {
  const before = replies;
  put({ mine: true, words: () => t(key) });
  offer();
  try {
    await act();
  } catch {
    speak(line("chat.error"), () => offer(...before));
  }
}

/** Opens with one hint: what happened, what to say, what helps. */
function open(hint, isFirst) {
  met.add(hint.hint_id);
  current = hint;
  const opening = isFirst ? line(lines.length === 0 ? "chat.hello" : "chat.first") : line("chat.again");
  speak(opening, { words: () => say(hint.text) }, { article: hint.article }, () => current === hint && offerHelp());
  report(hint, "shown").catch(() => {});
}

function offerHelp() {
  offer(["chat.solved", solved], ["chat.unsolved", unsolved], ["chat.human", human]);
}

/** No longer the current one before it is told: what comes back over the channel is our own news then. */
async function solved() {
  const hint = current;
  current = null;
  try {
    await report(hint, "used", true);
  } catch (error) {
    current = hint;
    throw error;
  }
  speak(line("chat.thanks"));
  if (!(await openNext())) await questions.offered();
}

/** The hint stays open: an agent who meets the customer next can still help. */
async function unsolved() {
  await report(current, "shown", false);
  speak(line("chat.sorry"), () => offer(["chat.human", human], ["chat.steps", steps]));
}

async function human() {
  current = null;
  await speak(line("chat.handed"));
}

async function steps() {
  if (current) speak({ article: current.article }, () => offerHelp());
}

/** A hint that has ended elsewhere meanwhile (409, or gone: 404) has no use for what we think of it. */
async function report(hint, hintState, helpful) {
  const body = helpful === undefined ? { state: hintState } : { state: hintState, helpful };
  try {
    await api(`/v1/hints/${encodeURIComponent(hint.hint_id)}/states`, token, { method: "POST", body });
  } catch (error) {
    if (error.status !== 409 && error.status !== 404) throw error;
  }
}

async function lookUp() {
  const { hints } = await api(`/v1/customers/${encodeURIComponent(customer)}/next-hints?surface=chatbot`, token);
  return hints.filter((hint) => !met.has(hint.hint_id));
}

async function openNext() {
  const [next] = await lookUp().catch(() => []);
  if (next && !current) open(next, false);
  return Boolean(next);
}

/** At the tip of the channel: whatever arose before is in the look-up, whatever arises from now on is told. */
async function atTip() {
  try {
    const [hint] = await lookUp();
    if (hint && !current) open(hint, true);
    else if (lines.length === 0 && waiting.length === 0 && !isTalking) {
      speak(line("chat.hello"), line("chat.nothing"));
      await questions.offered();
    }
  } catch (error) {
    if (error.status === 401 || error.status === 403) onState("refused", { reason: error.message });
    else setTimeout(atTip, PATIENCE_MS);
  }
}

function take({ type, subject, data }) {
  if (subject !== customer) return;
  if (type === "zhiyin.hint.created") {
    if (!met.has(data.hint_id)) open(data, true);
  } else if (current && data.hint_id === current.hint_id) ended(data.cause);
}

function ended(cause) {
  current = null;
  offer();
  const words = { returned: "chat.gone.back", completed: "chat.gone.done", used: "chat.gone.helped", contact: "chat.gone.helped" }[cause];
  if (words) speak(line(words));
}

function onState(name, details) {
  state = name;
  if (name === "refused") {
    forgetToken("chat");
    askFor(details.reason);
  }
  showState();
}

function showState() {
  by("status").textContent = asked ? "" : t(`chat.status.${state}`);
}

function askFor(reason = null) {
  asked = { reason };
  for (const part of ["talk", "replies"]) by(part).hidden = true;
  by("ask").hidden = false;
  by("ask-customer").value = customer ?? "";
  const needsToken = !token || reason !== null;
  for (const field of by("ask").querySelectorAll(".ask-token")) field.hidden = !needsToken;
  by("ask-token").required = needsToken;
  by("ask-customer").required = true;
  showAsk();
  showState();
  (customer ? by("ask-token") : by("ask-customer")).focus();
}

function showAsk() {
  by("ask-heading").textContent = t("chat.ask.heading");
  by("ask-words").textContent = asked?.reason ? t("chat.ask.again", { reason: asked.reason }) : t("chat.ask.words");
}

by("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  if (by("ask-token").value.trim()) keepToken("chat", by("ask-token").value);
  location.assign(`/chat?customer=${encodeURIComponent(by("ask-customer").value.trim())}`);
});

function showWords() {
  document.title = t("chat.title");
  by("customer").textContent = customer ? t("chat.customer", { id: customer }) : "";
  showState();
}

onLanguage(() => {
  fillWords();
  showWords();
  showAsk();
  by("lines").replaceChildren(...lines.map(drawn));
  offer(...replies);
});

async function begin() {
  const feed = { channel: "chatbot", reload: async () => null, onEvent: take, onTip: atTip };
  link = new Link({ url: await socketAddress(), token, feeds: [feed], onState });
  link.start();
}

startWords();
showWords();
token = enter("chat").token;
if (token && customer) begin();
else askFor();
