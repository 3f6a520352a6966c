// A policy loan with a planted problem: the face check never works. What happens here is told by zhiyin.js.
import "./demo-i18n.js";
import { el } from "../shared/dom.js";
import { fillWords, onLanguage, startWords, t } from "../shared/i18n.js";

const by = (id) => document.getElementById(id);
const { zhiyin } = window;
const JOURNEY = "policy_loan";
const STEPS = ["choose_policy", "loan_amount", "bank_card", "face_check", "sms_code", "confirm", "done"];
const LOOKS_MS = 1200;
const customer = new URLSearchParams(location.search).get("customer") ?? `demo-${crypto.getRandomValues(new Uint16Array(1))[0]}`;
let at = null;
let failures = 0;
let wrong = {};

const FIELDS = {
  loan_amount: { name: "amount", type: "number", min: 1000, max: 50000, step: 100 },
  bank_card: { name: "card", inputmode: "numeric", autocomplete: "off", pattern: "[0-9]{16,19}" },
  sms_code: { name: "code", inputmode: "numeric", autocomplete: "one-time-code", pattern: "[0-9]{6}" },
};

const BODIES = {
  choose_policy: () => [choices(), acts()],
  loan_amount: () => [field("loan_amount"), acts()],
  bank_card: () => [field("bank_card"), acts()],
  face_check: () => [camera(), acts(t("face.start"))],
  sms_code: () => [field("sms_code"), acts()],
  confirm: () => [el("p", {}, t("confirm.words")), acts(t("confirm.submit"))],
  done: () => [el("p", {}, t("done.words")), again()],
  cancelled: () => [el("p", {}, t("cancelled.words")), again()],
};

function choices() {
  const choice = (value) =>
    el("label", { class: "choice" }, el("input", { type: "radio", name: "policy", value, required: "" }), t(`field.policy.${value}`));
  return el("fieldset", { class: "field" }, el("legend", {}, t("field.policy")), choice("a"), choice("b"), complaint("policy"));
}

function field(step) {
  const { name } = FIELDS[step];
  const input = el("input", { id: name, required: "", "aria-describedby": `${name}-hint ${name}-wrong`, ...FIELDS[step] });
  const hint = el("span", { class: "hint", id: `${name}-hint` }, t(`field.${name}.hint`));
  return el("div", { class: "field" }, el("label", { for: name }, t(`field.${name}`)), input, hint, complaint(name));
}

function complaint(name) {
  const hint = t(`field.${name}.hint`);
  const words = wrong[name] && t(wrong[name] === "value_missing" ? "wrong.value_missing" : "wrong.other", { hint });
  return el("span", { class: "wrong", id: `${name}-wrong` }, words ?? "");
}

function camera() {
  const said = failures ? el("p", { class: "wrong", id: "face-wrong" }, t("face.failed", { n: failures })) : "";
  return el("div", {}, el("div", { class: "camera", id: "camera", "aria-hidden": "true" }, t("face.ready")), said);
}

function acts(next = t("demo.next")) {
  const back = el("button", { type: "button", "data-zhiyin": "back", "data-zhiyin-control": "previous", onclick: goBack }, t("demo.back"));
  const cancel = el("button", { class: "plain", type: "button", "data-zhiyin": "give-up", onclick: giveUp }, t("demo.cancel"));
  const go = el("button", { class: "main", type: "submit", "data-zhiyin": "next", "data-zhiyin-control": "next" }, next);
  return el("div", { class: "acts" }, go, STEPS.indexOf(at) > 0 ? back : "", cancel);
}

function again() {
  return el("div", { class: "acts" }, el("button", { class: "main", type: "button", onclick: begin }, t("demo.again")));
}

function show() {
  const here = STEPS.indexOf(at);
  const place = (step, index) => {
    const current = index === here ? { "aria-current": "step" } : {};
    return el("li", { class: here >= 0 && index < here ? "is-done" : "", ...current }, t(`step.${step}`));
  };
  by("way").replaceChildren(...STEPS.map(place));
  by("loan").replaceChildren(el("h2", { id: "step", tabindex: "-1" }, t(`step.${at}`)), ...BODIES[at]());
  document.title = `${t(`step.${at}`)} · ${t("demo.title")}`;
}

function go(step, isFirst = false) {
  at = step;
  wrong = {};
  show();
  if (!isFirst) by("step").focus({ preventScroll: true });
  zhiyin.step(step);
}

function begin(isFirst = false) {
  failures = 0;
  zhiyin.start(JOURNEY);
  go(STEPS[0], isFirst === true);
}

function goBack() {
  go(STEPS[STEPS.indexOf(at) - 1]);
}

function giveUp() {
  zhiyin.cancel();
  at = "cancelled";
  show();
  by("step").focus({ preventScroll: true });
}

function submitted(event) {
  event.preventDefault();
  if (!by("loan").checkValidity()) return complain();
  if (at === "face_check") return lookAtFace();
  goOn();
}

/** checkValidity has told of each field that is not right; zhiyin.js hears that by itself. */
function complain() {
  const [field] = by("loan").querySelectorAll(":invalid:not(fieldset)");
  wrong = { [field.name]: field.validity.valueMissing ? "value_missing" : "other" };
  by(`${field.name}-wrong`).replaceWith(complaint(field.name));
  field.setAttribute("aria-invalid", "true");
  field.focus();
  say(by(`${field.name}-wrong`).textContent);
}

function goOn() {
  zhiyin.stepCompleted();
  go(STEPS[STEPS.indexOf(at) + 1]);
}

function lookAtFace() {
  by("camera").classList.add("is-looking");
  by("camera").textContent = t("face.looking");
  say(t("face.looking"));
  setTimeout(() => {
    if (at !== "face_check") return;
    if (by("mended").checked) return goOn();
    failures += 1;
    zhiyin.fail("face_mismatch");
    show();
    document.querySelector("#loan .main").focus();
    say(t("face.failed", { n: failures }));
  }, LOOKS_MS);
}

const say = (text) => (by("announcer").textContent = text);

function consented(isGiven) {
  zhiyin.consent(isGiven);
  by("ask").hidden = true;
  showConsent(isGiven);
  if (isGiven) {
    zhiyin.identify(customer);
    begin();
  }
}

/** The form anew in the other language, with what is typed in. */
function speakAnew() {
  const typed = [...by("loan").elements].map(({ name, value, checked }) => ({ name, value, checked }));
  show();
  for (const field of by("loan").elements) {
    const before = typed.find(({ name, value }) => name && name === field.name && (field.type !== "radio" || value === field.value));
    if (before && field.type === "radio") field.checked = before.checked;
    else if (before) field.value = before.value;
  }
}

function showConsent(isGiven) {
  by("consent").textContent = t(isGiven ? "demo.consent.yes" : "demo.consent.no");
  by("withdraw").hidden = !isGiven;
}

by("agree").addEventListener("click", () => consented(true));
by("refuse").addEventListener("click", () => consented(false));
by("withdraw").addEventListener("click", () => consented(false));
by("loan").addEventListener("submit", submitted);
onLanguage(() => {
  fillWords();
  showConsent(zhiyin.isAllowed());
  speakAnew();
});

const { write_key: writeKey } = await (await fetch("/demo.json", { cache: "no-store" })).json();
zhiyin.load({ writeKey, host: location.origin });
startWords();
by("customer").textContent = customer;
by("ask").hidden = zhiyin.isAllowed();
showConsent(zhiyin.isAllowed());
zhiyin.identify(customer);
begin(true);
