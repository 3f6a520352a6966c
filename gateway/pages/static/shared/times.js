// Times as people say them.
import { addWords, languageTag, t } from "./i18n.js";

addWords(
  {
    "age.now": "刚刚",
    "age.seconds": "{n} 秒前",
    "age.minutes": "{n} 分钟前",
    "age.hours": "{n} 小时前",
    "age.days": "{n} 天前",
    "left.over": "已过期",
    "left.seconds": "剩 {n} 秒",
    "left.minutes": "剩 {n} 分钟",
    "left.hours": "剩 {n} 小时",
    "left.days": "剩 {n} 天",
  },
  {
    "age.now": "just now",
    "age.seconds": "{n} s ago",
    "age.minutes": "{n} min ago",
    "age.hours": "{n} h ago",
    "age.days": "{n} d ago",
    "left.over": "expired",
    "left.seconds": "{n} s left",
    "left.minutes": "{n} min left",
    "left.hours": "{n} h left",
    "left.days": "{n} d left",
  },
);

const STEPS = [
  [86400, "days"],
  [3600, "hours"],
  [60, "minutes"],
  [1, "seconds"],
];

function inWords(prefix, seconds) {
  const [size, unit] = STEPS.find(([each]) => seconds >= each * (each === 86400 ? 2 : 1)) ?? STEPS[3];
  return t(`${prefix}.${unit}`, { n: Math.floor(seconds / size) });
}

/** Seconds to the nearest whole minute or hour, so that a day that has just begun has 24 hours. */
function rounded(seconds) {
  if (seconds < 600) return seconds;
  const size = seconds < 5400 ? 60 : 3600;
  return Math.round(seconds / size) * size;
}

/** "3 分钟前" */
export function age(since, now = Date.now()) {
  const seconds = Math.max(0, Math.floor((now - since) / 1000));
  return seconds < 5 ? t("age.now") : inWords("age", seconds);
}

/** "剩 23 小时" */
export function left(until, now = Date.now()) {
  const seconds = Math.ceil((until - now) / 1000);
  return seconds <= 0 ? t("left.over") : inWords("left", rounded(seconds));
}

/** "14:03:22" */
export function clock(moment) {
  return new Date(moment).toLocaleTimeString(languageTag(), { hour12: false });
}
