// A subscriber that knows the AsyncAPI page alone: `subscriber.mjs ASYNCAPI BOOTSTRAP PREFIX events|state`.
// It reads a topic from the first message to the last that is there now, and writes its table of customers as JSON:
// customer -> what it counts of them, whose events are whose by the rules of the page.

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";

import { Kafka, logLevel } from "kafkajs";

const [asyncapi, bootstrap, prefix, mode] = process.argv.slice(2);
const page = JSON.parse(readFileSync(asyncapi, "utf8"));
const kafka = new Kafka({ clientId: "late", brokers: [bootstrap], logLevel: logLevel.ERROR });

// Everything that is on a channel's topic now, partition by partition in order.
async function messages(channel) {
  const topic = page.channels[channel].address.replace("{prefix}", prefix);
  const admin = kafka.admin();
  await admin.connect();
  const left = new Map();
  for (const { partition, low, high } of await admin.fetchTopicOffsets(topic)) {
    if (Number(high) > Number(low)) left.set(partition, Number(high));
  }
  await admin.disconnect();
  const found = [];
  if (left.size === 0) return found;
  const consumer = kafka.consumer({ groupId: `late-${randomUUID()}` });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
    consumer
      .run({
        autoCommit: false,
        eachBatch: async ({ batch }) => {
          for (const message of batch.messages) {
            if (Number(message.offset) < (left.get(batch.partition) ?? 0)) found.push([batch.partition, message]);
          }
          if (Number(batch.lastOffset()) + 1 >= (left.get(batch.partition) ?? Infinity)) left.delete(batch.partition);
          if (left.size === 0) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  return found;
}

// The events, each once, in the order of the journal.
function heard(found) {
  const last = new Map();
  const events = new Map();
  for (const [partition, message] of found) {
    const header = (name, other = "") => message.headers[name]?.toString() ?? other;
    const position = Number(header("ts_position"));
    if (position <= (last.get(partition) ?? 0)) continue; // a repeat
    last.set(partition, position);
    events.set(position, {
      position,
      id: header("ce_id"),
      type: header("ce_type"),
      customer: header("ts_customer"),
      stream: header("ts_stream"),
      revision: Number(header("ts_revision", "0")),
      cause: header("ts_cause"),
      identifiers: JSON.parse(header("ts_identifiers", "[]")),
      data: JSON.parse(message.value.toString()),
    });
  }
  return [...events.values()].sort((one, other) => one.position - other.position);
}

const keyOf = (ref) => JSON.stringify([ref.kind, ref.issuer ?? "", ref.hash]);

function subjects(event) {
  const named = [event.id];
  if (event.stream) named.push(event.stream);
  if (event.data.contact_id) named.push(`contact-${event.data.contact_id}`);
  return named;
}

// Who is whom: the answer is a function that says whose an event is now, "" for nobody's, and one for ids.
function identities(events) {
  const families = new Map();
  const links = new Map();
  const blocked = new Set();
  const into = new Map();
  const undone = [];
  const assigned = new Map();
  const first = new Map();
  const byId = new Map();

  function family(one) {
    while (families.has(one)) one = families.get(one);
    return one;
  }
  function join(one, other) {
    const [here, there] = [family(one), family(other)];
    if (here !== there) families.set(there, here);
  }
  function link(ref, customer) {
    const key = keyOf(ref);
    links.set(key, [...(links.get(key) ?? []), customer]);
  }
  function root(one) {
    while (into.has(one)) one = into.get(one).survivor;
    return one;
  }
  function above(one) {
    const found = new Set();
    while (into.has(one)) found.add((one = into.get(one).survivor));
    return found;
  }

  const taking = {
    "identity.linked": ({ data }) => link(data.identifier, data.customer),
    "identity.blocked": ({ data }) => blocked.add(keyOf(data.identifier)),
    "identity.merged": ({ data, position }) => {
      join(data.survivor, data.absorbed);
      into.set(data.absorbed, { survivor: data.survivor, position });
    },
    "identity.unmerged": ({ data, position }) => {
      if (!into.has(data.restored)) return;
      undone.push({ above: above(data.restored), since: into.get(data.restored).position, until: position });
      into.delete(data.restored);
    },
    "identity.split": ({ data }) => {
      join(data.customer, data.restored);
      for (const ref of data.identifiers) link(ref, data.restored);
    },
    "identity.assigned": ({ data }) => assigned.set(data.event_or_stream, data.customer),
  };
  for (const event of events) {
    byId.set(event.id, event);
    if (event.revision === 1) first.set(event.stream, event);
    taking[event.type]?.(event);
  }
  for (const event of events) {
    for (const subject of subjects(event)) {
      if (event.customer && assigned.has(subject)) join(event.customer, assigned.get(subject));
    }
  }

  function belongs(ref, within) {
    return (links.get(keyOf(ref)) ?? []).filter((one) => family(one) === within).at(-1) ?? "";
  }
  function asRecorded(event) {
    const wrongly = undone.some(
      (one) => one.above.has(event.customer) && one.since < event.position && event.position < one.until,
    );
    const stays = ["identity", "customer", "lifecycle", "target_list"].includes(event.type.split(".")[0]);
    return wrongly && !stays ? "" : event.customer;
  }
  // The rules of the page, in their order.
  function side(event) {
    const { data, stream, cause } = event;
    for (const subject of subjects(event)) if (assigned.has(subject)) return assigned.get(subject);
    const within = family(event.customer);
    if (event.type === "identity.linked" || event.type === "identity.blocked") {
      return belongs(data.identifier, within) || event.customer;
    }
    if (event.type === "identity.merged") {
      return into.get(data.absorbed)?.position === event.position ? data.survivor : "";
    }
    if (["customer.erased", "customer.erasure_certified"].includes(event.type)) return data.customer;
    if (data.touch_id && byId.has(data.touch_id)) return side(byId.get(data.touch_id));
    const opening = stream ? first.get(stream) : undefined;
    if (opening && opening !== event && opening.customer) return side(opening);
    for (const ref of event.identifiers) {
      const theirs = blocked.has(keyOf(ref)) ? "" : belongs(ref, within);
      if (theirs) return theirs;
    }
    if (stream && byId.has(cause)) return side(byId.get(cause));
    return asRecorded(event);
  }
  return { root, owner: (event) => root(side(event)) };
}

const OPENING = {
  "opportunity.captured": () => true,
  "opportunity.reopened": () => true,
  "opportunity.staged": () => true,
  "opportunity.imported": (data) => !data.closed,
  "case.opened": () => true,
  "case.reopened": () => true,
  "case.imported": (data) => data.status === "open",
};
const CLOSING = new Set(["opportunity.won", "opportunity.lost", "case.resolved", "case.closed"]);

function table(events) {
  const { root, owner } = identities(events);
  const retracted = new Set(events.filter((one) => one.type === "touch.retracted").map((one) => one.data.touch_id));
  const rows = new Map();
  const open = new Map();
  const gone = new Set();
  for (const event of events) {
    const whose = owner(event);
    if (!whose || retracted.has(event.id)) continue;
    if (!rows.has(whose)) rows.set(whose, { touches: 0, purchases: 0, open_opportunities: [], open_cases: [] });
    const row = rows.get(whose);
    if (event.type === "touch.recorded") row.touches += 1;
    if (event.type === "purchase.recorded") row.purchases += 1;
    if (event.type === "customer.erased") gone.add(root(event.data.customer));
    const [what, list] = event.type.startsWith("case.")
      ? [event.data.case_id, "open_cases"]
      : [event.data.opportunity_id, "open_opportunities"];
    if (OPENING[event.type]?.(event.data)) open.set(`${list} ${what}`, { whose, list, what });
    if (CLOSING.has(event.type)) open.delete(`${list} ${what}`);
  }
  for (const { whose, list, what } of open.values()) rows.get(whose)[list].push(what);
  for (const row of rows.values()) {
    row.open_opportunities.sort();
    row.open_cases.sort();
  }
  return Object.fromEntries([...rows].filter(([one]) => !gone.has(one)));
}

function stand(found) {
  const latest = new Map();
  for (const [, message] of found) {
    const key = message.key.toString();
    if (message.value === null) latest.delete(key);
    else latest.set(key, JSON.parse(message.value.toString()));
  }
  const row = (said) => ({
    purchases: said.value.reduce((sum, one) => sum + one.purchases, 0),
    open_opportunities: said.open_opportunities.map((one) => one.opportunity_id).sort(),
    open_cases: said.open_cases.map((one) => one.case_id).sort(),
  });
  return Object.fromEntries([...latest].map(([one, said]) => [one, row(said)]));
}

const told = mode === "events" ? table(heard(await messages("events"))) : stand(await messages("customer-state"));
process.stdout.write(JSON.stringify(told));
process.exit(0); // kafkajs leaves sockets behind for a while
