// Asks for banners, tells that they were shown, and meets an error.
// usage: node decide.mjs HOST:PORT [PLACEMENT [FOLDER OF proto/]]
import { randomUUID } from "node:crypto";
import { connect } from "./client.mjs";

const [address = "127.0.0.1:50051", placement = "app_banner", protos] = process.argv.slice(2);
const nba = connect(address, protos);
const identity = "cookie:node";
const request = {
  identity,
  placements: [{ placement, slots: 2 }],
  context: { cart: { listValue: { values: [{ stringValue: "BREAD" }] } } },
};

// One decision. With a request_id it may be repeated: the server answers once.
const { decision } = await nba.call("Decide", { ...request, requestId: randomUUID() });
for (const one of decision.recommendations) {
  const money = `${(Number(one.scoreMicros) / 1e6).toFixed(2)} ${decision.currencyCode}`;
  console.log(`${one.position + 1}. ${one.treatment}: ${JSON.stringify(one.content)}, ${money}`);
}

// What became of it. An interaction has an id of its own, so this may be repeated, too.
const { results } = await nba.call("RecordInteractions", {
  interactions: decision.recommendations.map(({ recommendationId }) => ({
    interactionId: randomUUID(),
    identity,
    type: "impression",
    interactionTime: { seconds: Math.floor(Date.now() / 1000) },
    recommendationId,
  })),
});
for (const { status } of results) console.log(`impression: ${status}`);

// Several at once: each has its own result, a decision or a status.
const wrong = { identity: "nobody", placements: [] };
const batch = await nba.call("BatchDecide", { requests: [request, wrong] });
for (const { result, status } of batch.results) console.log(`batch: ${status?.message ?? result}`);

// Many, one after the other, over one stream.
for await (const { result } of nba.stream([request, wrong, request])) {
  console.log(`stream: ${result}`);
}

// Errors say why, and which field.
try {
  await nba.call("Decide", wrong);
} catch (error) {
  console.log(`${error.code}, ${error.reason}`);
  for (const { field, description } of error.violations) console.log(`  ${field}: ${description}`);
}
nba.close();
