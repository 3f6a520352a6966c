// The front page: its words and the language switch.
import { addWords, onLanguage, startWords, t } from "../shared/i18n.js";

addWords(
  {
    "index.brand": "知音",
    "index.heading": "客户停下来的地方，有人接得上",
    "index.lead": "知音看着线上业务的每一步：谁中途停下、为什么停下，马上告诉接下来遇到这位客户的人或机器人，并带上合适的帮助。",
    "index.doors": "入口",
    "index.desk": "坐席台",
    "index.desk.more": "实时提示：哪位客户、卡在哪一步、怎么说",
    "index.outreach": "先致电",
    "index.outreach.more": "中断后没回来的客户，最需要帮助的排在最前",
    "index.journeys": "旅程地图",
    "index.journeys.more": "客户在哪一步流失、谁来改、改了有没有用",
    "index.chat": "聊天机器人",
    "index.chat.more": "演示：打开就是上次中断的业务和办法",
    "index.api": "接口说明",
    "index.api.more": "OpenAPI 3.1；更多文档在 docs 文件夹",
    "index.tokens": "坐席台和聊天页需要令牌；启动命令会打印带令牌的地址。",
  },
  {
    "index.brand": "Zhiyin",
    "index.heading": "Where a customer stops, somebody can take up the thread",
    "index.lead":
      "Zhiyin watches every step of online transactions: who stops half way and why. Whoever meets that customer next, agent or bot, knows at once, and has the help that fits.",
    "index.doors": "Ways in",
    "index.desk": "Agent desk",
    "index.desk.more": "Live hints: which customer, stuck where, what to say",
    "index.outreach": "Call first",
    "index.outreach.more": "Who broke off and stayed away, the greatest need first",
    "index.journeys": "Journey maps",
    "index.journeys.more": "At which step customers are lost, who mends it, and whether that worked",
    "index.chat": "Chatbot",
    "index.chat.more": "A demo that opens with the last interruption and its fix",
    "index.api": "API",
    "index.api.more": "OpenAPI 3.1; more in the docs folder",
    "index.tokens": "Desk and chat need a token; the start command prints addresses that carry one.",
  },
);

const title = () => (document.title = `${t("index.brand")} · ${t("index.desk")}`);
onLanguage(title);
startWords();
title();
