// The words of a contact that is under way.
import { addWords } from "./words.js";

addWords(
  {
    "bundle.heading": "正在联系的客户",
    "bundle.channel.phone": "电话",
    "bundle.channel.counter": "柜面",
    "bundle.channel.chat": "在线",
    "bundle.channel.other": "联系",
    "bundle.since": "{age}开始",
    "bundle.interruption": "中断的业务",
    "bundle.need": "可一并办理",
    "bundle.policies": "保单 {ids}",
    "bundle.more": "另有 {n} 项，可稍后再办",
    "bundle.nothing": "没有中断的业务，也没有待办事项",
    "bundle.keys": "到正在联系的客户",
    "say.bundle": "{channel}接入：{what}",
    "say.bundle.end": "联系已结束",
    "say.bundle.what": "{n} 件事可一并办理，先是{first}",
  },
  {
    "bundle.heading": "In contact now",
    "bundle.channel.phone": "Phone",
    "bundle.channel.counter": "Counter",
    "bundle.channel.chat": "Chat",
    "bundle.channel.other": "Contact",
    "bundle.since": "began {age}",
    "bundle.interruption": "Interrupted",
    "bundle.need": "To settle too",
    "bundle.policies": "Policy {ids}",
    "bundle.more": "and {n} more, for another time",
    "bundle.nothing": "Nothing was interrupted and nothing is to be settled",
    "bundle.keys": "to the customer in contact",
    "say.bundle": "{channel}: {what}",
    "say.bundle.end": "The contact is over",
    "say.bundle.what": "{n} things to settle, first {first}",
  },
);
