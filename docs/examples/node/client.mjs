// nba-engine from Node: the methods of proto/ as promises, and errors with their reason.
import { fileURLToPath } from "node:url";
import path from "node:path";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const SERVICES = ["decision", "interaction", "profile", "catalog"];
// 64-bit numbers as strings (micros of money may not fit a double), enums by their names
const OPTIONS = { longs: String, enums: String, oneofs: true, defaults: true };

// The details of an error are google.rpc messages; these are the parts that are read here.
const rpc = protoLoader.fromJSON({
  nested: {
    Any: { fields: { typeUrl: { type: "string", id: 1 }, value: { type: "bytes", id: 2 } } },
    Status: { fields: { details: { rule: "repeated", type: "Any", id: 3 } } },
    ErrorInfo: {
      fields: {
        reason: { type: "string", id: 1 },
        metadata: { keyType: "string", type: "string", id: 3 },
      },
    },
    Violation: {
      fields: { field: { type: "string", id: 1 }, description: { type: "string", id: 2 } },
    },
    BadRequest: { fields: { fieldViolations: { rule: "repeated", type: "Violation", id: 1 } } },
  },
});

/** A failed call: `code` ("NOT_FOUND"), `reason` ("CUSTOMER_NOT_FOUND"), `violations`. */
export class NbaError extends Error {
  constructor(error) {
    super(error.details);
    this.code = grpc.status[error.code];
    this.reason = "";
    this.metadata = {};
    this.violations = [];
    const [bytes] = error.metadata.get("grpc-status-details-bin");
    const details = bytes ? (rpc.Status.deserialize(bytes).details ?? []) : [];
    for (const { typeUrl, value } of details) {
      if (typeUrl.endsWith("/google.rpc.ErrorInfo")) {
        const info = rpc.ErrorInfo.deserialize(value);
        this.reason = info.reason.replace("ERROR_REASON_", "");
        this.metadata = info.metadata;
      } else if (typeUrl.endsWith("/google.rpc.BadRequest")) {
        this.violations = rpc.BadRequest.deserialize(value).fieldViolations;
      }
    }
  }
}

/** Connects to `host:port`; `protos` is the folder proto/ of nba-engine. */
export function connect(address, protos = path.join(HERE, "../../../proto")) {
  const files = SERVICES.map((name) => `nba/v1/${name}_service.proto`);
  const loaded = protoLoader.loadSync(files, { ...OPTIONS, includeDirs: [protos] });
  const { v1 } = grpc.loadPackageDefinition(loaded).nba;
  const names = SERVICES.map((name) => `${name[0].toUpperCase()}${name.slice(1)}Service`);
  const stubs = names.map((name) => new v1[name](address, grpc.credentials.createInsecure()));

  // never without a deadline: gRPC itself would wait forever
  const until = (timeout) => ({ deadline: new Date(Date.now() + timeout * 1000) });
  const stubOf = (method) => stubs.find((stub) => typeof stub[method] === "function");

  return {
    /** One call; `timeout` in seconds. */
    call(method, request, timeout = 2) {
      return new Promise((resolve, reject) => {
        const answered = (error, response) =>
          error ? reject(new NbaError(error)) : resolve(response);
        stubOf(method)[method](request, new grpc.Metadata(), until(timeout), answered);
      });
    },

    /** Decides requests as they come, in order; reads the next one when there is room. */
    async *stream(requests, timeout = 60) {
      const stream = stubOf("StreamDecide").StreamDecide(until(timeout));
      const writing = (async () => {
        for await (const request of requests) {
          if (!stream.write({ request })) {
            await new Promise((resolve) => stream.once("drain", resolve));
          }
        }
        stream.end();
      })();
      writing.catch((error) => stream.destroy(error));
      try {
        yield* stream;
      } catch (error) {
        throw error.metadata ? new NbaError(error) : error;
      }
    },

    close() {
      for (const stub of stubs) stub.close();
    },
  };
}
