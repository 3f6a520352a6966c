// The form that stands in place of a page's content while there is no token, or one that the server refuses.
import { el } from "./dom.js";
import { forgetToken, keepToken } from "./sign-in-gate.js";
import { addWords, fillWords, onLanguage, t } from "./i18n.js";

export class SignIn {
  /** `page`: whose token it is; `content`: what gives way; `heading`, `ask`: the page's own words for it. */
  constructor(page, content, { heading = "sign.heading", ask = "sign.ask" } = {}) {
    Object.assign(this, { page, content, askWords: ask, reason: null });
    this.words = el("p", { id: "sign-words" });
    this.token = el("textarea", { id: "token", rows: 4, autocomplete: "off", spellcheck: "false", required: true, "data-t-hint": "sign.hint" });
    this.token.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      this.form.requestSubmit();
    });
    this.form = el(
      "form",
      { class: "sign-in panel", id: "sign-in", hidden: true, onsubmit: (event) => this.#enter(event) },
      el("h1", { "data-t": heading }),
      this.words,
      el("label", { for: "token", "data-t": "sign.label" }),
      this.token,
      el("button", { class: "main", type: "submit", "data-t": "sign.enter" }),
    );
    document.querySelector("main").after(this.form);
    onLanguage(() => this.#speak());
  }

  /** Asks for a token; `reason`: why the one we had is no good. */
  ask(reason = null) {
    this.reason = reason;
    if (reason) forgetToken(this.page);
    for (const element of this.content) element.hidden = true;
    this.form.hidden = false;
    this.#speak();
    this.token.focus();
  }

  #speak() {
    fillWords(this.form);
    this.words.textContent = this.reason ? t("sign.again", { reason: this.reason }) : t(this.askWords);
  }

  #enter(event) {
    event.preventDefault();
    keepToken(this.page, this.token.value);
    location.reload();
  }
}

addWords(
  {
    "sign.heading": "坐席登录",
    "sign.ask": "请粘贴您的坐席令牌。它只保存在这个标签页里。",
    "sign.again": "令牌不能用了，请换一个新的。（{reason}）",
    "sign.label": "令牌",
    "sign.hint": "eyJhbGciOi…",
    "sign.enter": "进入",
  },
  {
    "sign.heading": "Sign in to your desk",
    "sign.ask": "Paste your desk token. It stays in this tab only.",
    "sign.again": "This token can no longer be used; please get a new one. ({reason})",
    "sign.label": "Token",
    "sign.hint": "eyJhbGciOi…",
    "sign.enter": "Enter",
  },
);
