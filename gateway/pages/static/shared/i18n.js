// Which language the page speaks, and its words. zh-CN unless the browser or the reader says English.
const STORED = "zhiyin.language";
const books = { zh: {}, en: {} };
const listeners = [];
let language = remembered() ?? ((navigator.language || "zh").toLowerCase().startsWith("en") ? "en" : "zh");

function remembered() {
  try {
    const stored = localStorage.getItem(STORED);
    return stored === "zh" || stored === "en" ? stored : null;
  } catch {
    return null;
  }
}

export function addWords(zh, en) {
  Object.assign(books.zh, zh);
  Object.assign(books.en, en);
}

export const languageTag = () => (language === "zh" ? "zh-CN" : "en");
export const otherLanguage = () => (language === "zh" ? "en" : "zh");

/** The words for `key`, with `{name}` filled in from `values`. */
export function t(key, values = {}) {
  const found = books[language][key] ?? key;
  return found.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** One of `{zh, en}`, as hints carry their texts. */
export const say = (words) => (words ? words[language] || words.zh || words.en || "" : "");

/** Fills every element that names its words: data-t, data-t-label (aria-label), data-t-hint (placeholder). */
export function fillWords(root = document) {
  for (const element of root.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const element of root.querySelectorAll("[data-t-label]")) element.setAttribute("aria-label", t(element.dataset.tLabel));
  for (const element of root.querySelectorAll("[data-t-hint]")) element.placeholder = t(element.dataset.tHint);
}

export function onLanguage(listener) {
  listeners.push(listener);
}

export function setLanguage(wanted) {
  language = wanted;
  try {
    localStorage.setItem(STORED, wanted);
  } catch {
    // A browser that keeps nothing still speaks the language until it is closed.
  }
  speak();
  for (const listener of listeners) listener();
}

/** Puts the page into its language, and wires the switch. */
export function startWords() {
  const button = document.getElementById("language");
  button?.addEventListener("click", () => setLanguage(otherLanguage()));
  speak();
}

function speak() {
  document.documentElement.lang = languageTag();
  fillWords();
}

addWords(
  {
    "language.other": "English",
    "skip": "跳到内容",
  },
  {
    "language.other": "中文",
    "skip": "Skip to content",
  },
);
