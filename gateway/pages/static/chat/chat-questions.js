// What others ask: offered as buttons when nothing of the customer's own is open; each answer is rated.
import { el } from "../shared/dom.js";
import { api } from "../shared/sign-in-gate.js";
import { addWords, say, t } from "../shared/i18n.js";

addWords(
  {
    "chat.hot": "这些是大家最近常问的，您也可以点开看看：",
    "chat.hot.label": "大家常问",
    "chat.hot.thanks": "谢谢，已记录。",
    "chat.hot.sorry": "抱歉没有解决，我已经记下来，会改进这条回答。",
  },
  {
    "chat.hot": "This is what others asked lately; choose one to see the answer:",
    "chat.hot.label": "Often asked",
    "chat.hot.thanks": "Thank you, noted.",
    "chat.hot.sorry": "Sorry that it did not help. I have noted it, so that the answer gets better.",
  },
);

export class Questions {
  /** `token()`: the bot's; `customer`: whose chat it is; `put(line)`: says it; `offer(...choices)`: as replies. */
  constructor({ token, customer, speak, offer, after }) {
    Object.assign(this, { token, customer, speak, offer, after });
    this.met = new Set();
  }

  /** Offers the questions that were not looked at yet; false when there are none. */
  async offered() {
    const path = `/v1/customers/${encodeURIComponent(this.customer)}/hot-questions`;
    const { questions } = await api(path, this.token()).catch(() => ({ questions: [] }));
    const fresh = questions.filter((each) => !this.met.has(each.question_id)).slice(0, 3);
    if (fresh.length === 0) return false;
    this.speak({ words: () => t("chat.hot") }, { list: fresh, choose: (question) => this.#answer(question) });
    return true;
  }

  #answer(question) {
    this.met.add(question.question_id);
    this.speak(
      { mine: true, words: () => say(question.title) },
      { words: () => say(question.text) },
      { article: question.article },
      () => this.offer(["chat.solved", () => this.#rate(question, true)], ["chat.unsolved", () => this.#rate(question, false)]),
    );
  }

  async #rate(question, solved) {
    const body = { customer_id: this.customer, solved };
    await api(`/v1/questions/${encodeURIComponent(question.question_id)}/ratings`, this.token(), { method: "POST", body });
    this.speak({ words: () => t(solved ? "chat.hot.thanks" : "chat.hot.sorry") });
    await this.after();
  }
}

/** The questions as a list of buttons, one line each; said anew in another language as it is drawn anew. */
export function drawnQuestions({ list, choose }) {
  const buttons = list.map((question) =>
    el("li", {}, el("button", { type: "button", "data-question": question.question_id, onclick: () => choose(question) }, say(question.title))),
  );
  return el("li", { class: "line questions" }, el("ul", { "aria-label": t("chat.hot.label") }, ...buttons));
}
