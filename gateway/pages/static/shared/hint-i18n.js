// What a hint says, in plain words: how sure, why, how urgent, why it went away.
import { addWords, say, t } from "./i18n.js";

addWords(
  {
    "sure.high": "很有把握",
    "sure.good": "较有把握",
    "sure.some": "可能",
    "sure.none": "原因待问",
    "priority.high": "优先",
    "priority.middle": "一般",
    "priority.low": "不急",
    "cause.returned": "客户已回来继续办理",
    "cause.completed": "客户已回来完成",
    "cause.cancelled": "客户已取消办理",
    "cause.expired": "提示已过期",
    "cause.used": "已帮助客户",
    "cause.dismissed": "已标为不适用",
    "cause.contact": "同事正在联系这位客户",
    "cause.taken": "同事已接手",
    "cause.away": "已转到队列",
    "cause.gone": "这条提示已撤回",
    "evidence.step_failed": "{step}失败 {n} 次",
    "evidence.field_error": "“{field}”填错 {n} 次",
    "evidence.back_and_forth": "在{step}来回 {n} 次",
    "evidence.rage_click": "连续急点 {n} 次",
    "evidence.hesitation": "在{step}停留很久",
    "evidence.page_hidden": "切走页面 {n} 次",
    "evidence.dead_click": "在{step}点击没有反应 {n} 次",
    "evidence.field_hesitation": "填“{field}”前停留很久 {n} 次",
    "evidence.page_loop": "反复打开同一页面 {n} 次",
    "evidence.at_step": "停在{step}",
    "evidence.other": "{signal} {n} 次",
    "evidence.none": "没有明显线索，请先问客户",
    "step.unknown": "这一步",
  },
  {
    "sure.high": "very likely",
    "sure.good": "likely",
    "sure.some": "possible",
    "sure.none": "reason to be asked",
    "priority.high": "Urgent",
    "priority.middle": "Normal",
    "priority.low": "Low",
    "cause.returned": "The customer is back and going on",
    "cause.completed": "The customer came back and finished",
    "cause.cancelled": "The customer cancelled",
    "cause.expired": "This hint has expired",
    "cause.used": "Helped",
    "cause.dismissed": "Marked as not fitting",
    "cause.contact": "A colleague is in contact with this customer",
    "cause.taken": "A colleague has taken it",
    "cause.away": "Gone to the queue",
    "cause.gone": "This hint was withdrawn",
    "evidence.step_failed": "{step} failed {n}×",
    "evidence.field_error": "“{field}” filled in wrong {n}×",
    "evidence.back_and_forth": "back and forth at {step} {n}×",
    "evidence.rage_click": "{n} rapid clicks",
    "evidence.hesitation": "a long pause at {step}",
    "evidence.page_hidden": "left the page {n}×",
    "evidence.dead_click": "{n} clicks without effect at {step}",
    "evidence.field_hesitation": "long thought about “{field}” {n}×",
    "evidence.page_loop": "the same page over and over {n}×",
    "evidence.at_step": "stopped at {step}",
    "evidence.other": "{signal} {n}×",
    "evidence.none": "No clear sign: ask the customer first",
    "step.unknown": "this step",
  },
);

/** How sure we are, in words; the number is for the one who asks. */
export function sureness(reason) {
  if (reason.code === "unknown") return "none";
  if (reason.confidence >= 0.8) return "high";
  return reason.confidence >= 0.6 ? "good" : "some";
}

export function urgency(hint) {
  if (hint.priority >= 95) return "high";
  return hint.priority >= 70 ? "middle" : "low";
}

/** `{text, code}` for each piece of evidence, the heaviest first. */
export function evidence(hint) {
  const pieces = [...(hint.reason.evidence ?? [])].sort((one, other) => other.weight - one.weight);
  if (pieces.length === 0) return [{ text: t("evidence.none"), code: null }];
  return pieces.map((piece) => ({ text: evidenceText(piece, hint), code: piece.code }));
}

function evidenceText(piece, hint) {
  const key = `evidence.${piece.signal}`;
  const values = { step: stepName(piece.step, hint), field: piece.field ?? "", n: piece.count, signal: piece.signal };
  return t(key, values) === key ? t("evidence.other", values) : t(key, values);
}

function stepName(step, hint) {
  if (!step) return t("step.unknown");
  const title = hint.step_titles?.[step] ?? (step === hint.step ? hint.step_title : null);
  return title ? say(title) : step;
}

/** Why a hint went away. */
export function whyGone(data) {
  const key = `cause.${data.cause || data.state}`;
  return t(key) === key ? t("cause.gone") : t(key);
}

/** "c-10…847": enough to tell two apart, not enough to read over a shoulder. */
export function masked(customerId) {
  const text = String(customerId);
  if (text.length <= 5) return `${text[0]}•••`;
  return `${text.slice(0, text.length > 9 ? 4 : 2)}••••${text.slice(-3)}`;
}
