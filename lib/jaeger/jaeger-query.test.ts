import { deepEqual, equal, rejects } from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { type TestContext, test } from "node:test";
import { freePort } from "../../test/support/free-port.js";
import { systemClock } from "../clock.js";
import { JaegerQuery } from "./jaeger-query.js";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const batch = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "00f067aa0ba902b7" };

/** As Jaeger 1.76 answers, with each kind of tag. */
const recorded = {
  data: [
    {
      traceID: traceId,
      spans: [
        {
          traceID: traceId,
          spanID: "c1",
          operationName: "model_inference",
          references: [
            { refType: "FOLLOWS_FROM", traceID: batch.traceId, spanID: batch.spanId },
            { refType: "CHILD_OF", traceID: traceId, spanID: "b1" },
          ],
          startTime: 1_767_323_045_678_901,
          duration: 4_321,
          tags: [
            { key: "arrowmesh.batch.size", type: "int64", value: 8 },
            { key: "error", type: "bool", value: true },
            { key: "otel.status_code", type: "string", value: "ERROR" },
          ],
          logs: [
            {
              timestamp: 1_767_323_045_679_000,
              fields: [
                { key: "event", type: "string", value: "exception" },
                { key: "exception.message", type: "string", value: "gone" },
              ],
            },
          ],
          processID: "p1",
          warnings: null,
        },
        {
          traceID: traceId,
          spanID: "d1",
          operationName: "later",
          references: [{ refType: "FOLLOWS_FROM", traceID: traceId, spanID: "c1" }],
          startTime: 1_767_323_045_679_901,
          duration: 1,
          tags: [],
          logs: [],
          processID: "p2",
          warnings: ["odd"],
        },
      ],
      processes: {
        p1: {
          serviceName: "arrowmesh-inference",
          tags: [{ key: "host.name", type: "string", value: "h" }],
        },
      },
      warnings: null,
    },
  ],
  total: 0,
  limit: 0,
  offset: 0,
  errors: null,
};

test("the spans of a trace are read with parents, links, errors and events", async (t) => {
  const paths: string[] = [];
  const jaeger = await serve(t, (request, response) => {
    paths.push(`${request.headers.authorization} ${request.url}`);
    response.end(JSON.stringify(recorded));
  });
  deepEqual(await jaeger({ path: "/jaeger/", user: "me:s%20cret@" }).trace(traceId), [
    {
      traceId,
      spanId: "c1",
      parentId: "b1",
      service: "arrowmesh-inference",
      name: "model_inference",
      startUs: 1_767_323_045_678_901,
      durationUs: 4_321,
      isError: true,
      attributes: { "arrowmesh.batch.size": 8, error: true, "otel.status_code": "ERROR" },
      resource: { "host.name": "h" },
      events: [
        {
          atUs: 1_767_323_045_679_000,
          name: "exception",
          attributes: { "exception.message": "gone" },
        },
      ],
      links: [batch],
      warnings: [],
    },
    {
      traceId,
      spanId: "d1",
      parentId: "c1",
      service: "unknown",
      name: "later",
      startUs: 1_767_323_045_679_901,
      durationUs: 1,
      isError: false,
      attributes: {},
      resource: {},
      events: [],
      links: [],
      warnings: ["odd"],
    },
  ]);
  const credentials = Buffer.from("me:s cret").toString("base64");
  deepEqual(paths, [`Basic ${credentials} /jaeger/api/traces/${traceId}`]);
});

test("a trace that Jaeger does not have is none", async (t) => {
  const errors = [{ code: 404, msg: "trace not found" }];
  const jaeger = await serve(t, (_request, response) => {
    response.writeHead(404).end(JSON.stringify({ data: null, errors }));
  });
  equal(await jaeger().trace(traceId), undefined);
});

test("searches and services are asked for as Jaeger's own pages do", async (t) => {
  const paths: (string | undefined)[] = [];
  const jaeger = await serve(t, (request, response) => {
    paths.push(request.url);
    response.end(request.url === "/api/services" ? '{"data":null}' : JSON.stringify(recorded));
  });
  deepEqual(await jaeger().services(), []);
  const search = { service: "a b", operation: "GET /", tracesMax: 5 };
  const [trace = []] = await jaeger().traces(search);
  equal(trace.length, 2);
  deepEqual(paths, [
    "/api/services",
    "/api/traces?service=a+b&limit=5&lookback=1h&operation=GET+%2F",
  ]);
});

for (const [what, listener, reason] of [
  [
    "a page that is not there",
    (_request, response) => response.writeHead(404).end("<html>"),
    /: answers 404; is this the address of Jaeger's query service\?$/,
  ],
  [
    "an error",
    (_request, response) => response.writeHead(500).end('{"errors":[]}'),
    /: answers 500; is this/,
  ],
  [
    "a login page",
    (_request, response) => response.end("<html>"),
    /: answers with something that is not JSON; is this/,
  ],
  [
    "other JSON",
    (_request, response) => response.end('{"data":[{"spans":1}]}'),
    /: answers with something that is no trace; is this/,
  ],
  ["silence", () => undefined, /: no answer within 300 ms$/],
  [
    "an answer without end",
    (_request, response) => response.write("{"),
    /: no answer within 300 ms$/,
  ],
  [
    "an answer that is cut",
    (_request, response) => {
      response.writeHead(200, { "content-length": 100 }).write("{");
      response.destroy();
    },
    /^Jaeger at http:\/\/127\.0\.0\.1:\d+: .+/,
  ],
] satisfies [string, RequestListener, RegExp][]) {
  test(`${what} instead of a trace is told in one line`, async (t) => {
    const jaeger = await serve(t, listener);
    // The deadline is short only where it is the subject.
    const timeoutMs = reason.source.includes("300 ms") ? 300 : 10_000;
    await rejects(jaeger({ user: "me:secret@", timeoutMs }).trace(traceId), (error: Error) => {
      equal(error.name, "MeshError");
      equal(reason.test(error.message), true, error.message);
      equal(/secret|\n/.test(error.message), false, error.message);
      return true;
    });
  });
}

test("an answer of more bytes than a trace may have is left", { timeout: 60_000 }, async (t) => {
  const mebibyte = Buffer.alloc(1024 * 1024, " ");
  let isLeft = false;
  const jaeger = await serve(t, (_request, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write(mebibyte));
    };
    response.on("drain", more).on("close", () => {
      isLeft = true;
    });
    more();
  });
  await rejects(jaeger({ timeoutMs: 50_000 }).trace(traceId), {
    fault: "too_large",
    message: /: the answer has more than 67108864 bytes$/,
  });
  while (!isLeft) await new Promise((resolve) => setTimeout(resolve, 10));
});

test("a Jaeger that nobody serves is told with its address", async () => {
  const url = new URL(`http://127.0.0.1:${await freePort()}`);
  const query = new JaegerQuery({ url, timeoutMs: 10_000, clock: systemClock });
  await rejects(query.trace(traceId), {
    fault: "unavailable",
    message: `Jaeger at ${url.origin}: connect ECONNREFUSED ${url.host}`,
  });
});

interface Way {
  readonly path?: string;
  readonly user?: string;
  readonly timeoutMs?: number;
}

/** Serves on this machine what stands for Jaeger; returns how to ask it. */
async function serve(
  t: TestContext,
  listener: RequestListener,
): Promise<(way?: Way) => JaegerQuery> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return ({ path = "", user = "", timeoutMs = 10_000 } = {}) => {
    const url = new URL(`http://${user}127.0.0.1:${port}${path}`);
    return new JaegerQuery({ url, timeoutMs, clock: systemClock });
  };
}
