// A shop's program with one of two SDKs for Node.js: `shop.mjs SDK URL KEY COUNT SECONDS`.
// It says that it is ready, waits for a line, sends COUNT calls over SECONDS, waits until the SDK is done, and writes the SDK's ids of them as a JSON array.

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import RudderAnalytics from "@rudderstack/rudder-sdk-node";
import { Analytics } from "@segment/analytics-node";

function segment(url, key) {
  const analytics = new Analytics({ writeKey: key, host: url, flushInterval: 500 });
  const ids = [];
  const failed = [];
  analytics.on("error", (error) => failed.push(String(error.reason ?? error)));
  const remember = (context) => ids.push(context.event.messageId);
  for (const type of ["track", "identify", "page", "screen", "group"]) {
    analytics.on(type, remember);
  }
  return {
    send: (call) => analytics[call.type](call.message),
    finish: async () => {
      await analytics.closeAndFlush({ timeout: 60000 });
      if (failed.length) throw new Error(failed[0]);
      return ids;
    },
  };
}

// It gives up after three retries within two seconds unless told otherwise: both are its documented settings.
function rudderstack(url, key) {
  const client = new RudderAnalytics(key, {
    dataPlaneUrl: url,
    flushInterval: 500,
    retryCount: 100,
    axiosRetryConfig: { retryDelay: () => 300 },
  });
  const ids = [];
  const sent = [];
  return {
    send: (call) => {
      const messageId = randomUUID();
      ids.push(messageId);
      sent.push(
        new Promise((resolve, reject) => {
          client[call.type]({ ...call.message, messageId }, (error) => (error ? reject(error) : resolve()));
        }),
      );
    },
    finish: async () => {
      await client.flush();
      await Promise.all(sent);
      return ids;
    },
  };
}

function call(number) {
  const userId = `node-${name}-${number % 7}`;
  const each = [
    { type: "track", message: { userId, event: "Plan Viewed", properties: { number, search: "\u{1f600}".slice(0, 1) } } },
    { type: "identify", message: { userId, traits: { email: `${userId}@example.com`, plan: "gold" } } },
    { type: "page", message: { userId, name: "Home", properties: { path: "/" } } },
    { type: "screen", message: { userId, name: "Home", properties: {} } },
    { type: "group", message: { userId, groupId: "initech", traits: { name: "Initech" } } },
  ];
  return each[number % each.length];
}

const [name, url, key, count, seconds] = process.argv.slice(2);
const sdk = { segment, rudderstack }[name](url, key);
console.error("ready");
await new Promise((begin) => process.stdin.once("data", begin));
for (let number = 0; number < Number(count); number += 1) {
  sdk.send(call(number));
  await sleep((Number(seconds) * 1000) / Number(count));
}
console.log(JSON.stringify(await sdk.finish()));
process.exit(0);
