// Gets a decision as a client in another language would: proto/ is loaded at run time.
// usage: node decide.mjs HOST:PORT; prints what it got as one JSON object
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import path from "node:path";

const here = path.dirname(fileURLToPath(import.meta.url));
// the packages are installed elsewhere (NODE_CLIENT), so that the repository stays clean
const require = createRequire(path.join(process.env.NODE_CLIENT ?? here, "package.json"));
const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");

const definition = protoLoader.loadSync(
  ["decision_service", "interaction_service", "error_reason"].map((name) => `nba/v1/${name}.proto`),
  {
    includeDirs: [path.join(here, "..", "..", "proto")],
    longs: String,
    enums: String,
    oneofs: true,
    defaults: true,
  },
);
const { v1 } = grpc.loadPackageDefinition(definition).nba;
const address = process.argv[2];
const credentials = grpc.credentials.createInsecure();
const decisions = new v1.DecisionService(address, credentials);
const interactions = new v1.InteractionService(address, credentials);

function call(client, method, request) {
  return new Promise((resolve, reject) => {
    const deadline = new Date(Date.now() + 20_000);
    client[method](request, new grpc.Metadata(), { deadline }, (error, response) =>
      error ? reject(error) : resolve(response),
    );
  });
}

const request = {
  identity: "cookie:node",
  placements: [{ placement: "banner", slots: 2 }],
  context: { cart: { listValue: { values: [{ stringValue: "BREAD" }] } } },
};
const { decision } = await call(decisions, "Decide", request);
const { results } = await call(interactions, "RecordInteractions", {
  interactions: [
    {
      interactionId: "node-1",
      identity: "cookie:node",
      type: "impression",
      interactionTime: { seconds: Math.floor(Date.now() / 1000), nanos: 0 },
      recommendationId: decision.recommendations[0].recommendationId,
    },
  ],
});
const wrong = { identity: "nobody" };
const batch = await call(decisions, "BatchDecide", { requests: [request, wrong, request] });
const streamed = await new Promise((resolve, reject) => {
  const stream = decisions.StreamDecide({ deadline: new Date(Date.now() + 20_000) });
  const got = [];
  stream.on("data", (response) => got.push([response.correlationId, response.result]));
  stream.on("error", reject);
  stream.on("end", () => resolve(got));
  stream.write({ correlationId: "a", request });
  stream.write({ correlationId: "b", request: wrong });
  stream.write({ correlationId: "c", request });
  stream.end();
});
const refusal = await call(decisions, "Decide", wrong).then(
  () => null,
  (error) => ({
    code: grpc.status[error.code],
    details: error.metadata.get("grpc-status-details-bin").length,
  }),
);
const kinds = batch.results.map(({ result }) => result);
console.log(JSON.stringify({ decision, results, kinds, streamed, refusal }));
decisions.close();
interactions.close();
