// Sends events with the SDK as published: node send.mjs URL WRITE_KEY COUNT. Fails when the SDK reports an error.
import { Analytics } from "@segment/analytics-node";

const [host, writeKey, count] = process.argv.slice(2);
const sdk = new Analytics({ host, writeKey, flushAt: 20, maxRetries: 1 });
sdk.on("error", (error) => {
  console.error(JSON.stringify(error));
  process.exitCode = 1;
});

const userId = "客户-1";
sdk.identify({ userId, traits: { plan: "gold" } });
sdk.track({ userId, event: "Transaction Started", properties: { journey: "policy_loan", transaction_id: "t-1" } });
sdk.page({ userId, name: "apply" });
for (let number = 0; number < Number(count); number += 1) {
  sdk.track({ userId: `c-${number}`, event: "Policy Viewed", properties: { number } });
}
await sdk.closeAndFlush();
