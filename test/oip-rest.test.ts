// The Open Inference Protocol at the edge, over REST, with models that are functions.

import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import type { EmbedOrder } from "../services/gateway/operations/embed.js";
import { bodyBytesMax, openOipEdge } from "./support/oip-edge.js";

const numbers = Array.from({ length: 16 }, (_, index) => index);

function simpleBody(over: object = {}, data: unknown = numbers) {
  const inputs = ["INPUT0", "INPUT1"].map((name) => ({
    name,
    datatype: "INT32",
    shape: [1, 16],
    data,
  }));
  return { inputs, ...over };
}

test("JSON tensors, flat or nested, are answered as JSON", async () => {
  const { call, taken } = await openOipEdge();
  for (const data of [numbers, [numbers]]) {
    const body = simpleBody({ id: "7" }, data);
    const answer = await call("POST", "/v2/models/simple/infer", body);
    equal(answer.statusCode, 200, answer.body);
    equal(answer.headers["inference-header-content-length"], undefined);
    deepEqual(answer.json(), {
      id: "7",
      model_name: "simple",
      model_version: "1",
      outputs: [
        { name: "OUTPUT0", datatype: "INT32", shape: [1, 16], data: numbers.map((n) => n * 2) },
        { name: "OUTPUT1", datatype: "INT32", shape: [1, 16], data: numbers.map(() => 0) },
      ],
    });
  }
  deepEqual(taken, ["request", "request"]);
});

test("binary data goes in and out behind the JSON, output by output", async () => {
  const { call } = await openOipEdge();
  const raw = Buffer.from(Int32Array.from(numbers).buffer);
  const inputs = ["INPUT0", "INPUT1"].map((name) => ({
    name,
    datatype: "INT32",
    shape: [1, 16],
    parameters: { binary_data_size: raw.length },
  }));
  const json = Buffer.from(
    JSON.stringify({
      inputs,
      parameters: { binary_data_output: true },
      outputs: [{ name: "OUTPUT0" }, { name: "OUTPUT1", parameters: { binary_data: false } }],
    }),
  );
  const headers = {
    "content-type": "application/octet-stream",
    "inference-header-content-length": String(json.length),
  };
  const body = Buffer.concat([json, raw, raw]);
  const answer = await call("POST", "/v2/models/simple/versions/1/infer", body, headers);
  equal(answer.statusCode, 200, answer.body);
  equal(answer.headers["content-type"], "application/octet-stream");
  const length = Number(answer.headers["inference-header-content-length"]);
  const { outputs } = JSON.parse(answer.rawPayload.subarray(0, length).toString());
  deepEqual(outputs[0].parameters, { binary_data_size: 64 });
  deepEqual(
    outputs[1].data,
    numbers.map(() => 0),
  );
  const sum = new Int32Array(new Uint8Array(answer.rawPayload.subarray(length)).buffer);
  deepEqual(
    [...sum],
    numbers.map((n) => n * 2),
  );

  const packed = { ...headers, "content-encoding": "gzip" };
  const again = await call("POST", "/v2/models/simple/infer", gzipSync(body), packed);
  equal(again.statusCode, 200, again.body);
});

test("bad requests are answered by an error, and cost the model nothing", async () => {
  const { call, repository } = await openOipEdge();
  const simple = "/v2/models/simple/infer";
  const header = (value: string) => ({ "inference-header-content-length": value });
  const bomb = gzipSync(Buffer.alloc(bodyBytesMax + 1, " "));
  const withSize = (size: number) => ({
    inputs: [{ name: "x", datatype: "INT8", shape: [1], parameters: { binary_data_size: size } }],
  });
  const cases: readonly [string, unknown, object, number, RegExp][] = [
    [simple, "{", {}, 400, /failed to parse the request JSON/],
    [simple, Buffer.of(0x22, 0xff, 0x22), {}, 400, /not UTF-8/],
    [simple, "[]", {}, 400, /expected object/],
    [simple, "{}", {}, 400, /inputs/],
    [simple, simpleBody({}, numbers.slice(1)), {}, 400, /15 elements where the shape has 16/],
    [simple, simpleBody({}, numbers.map(String)), {}, 400, /element 0 is no number/],
    [
      simple,
      simpleBody(
        {},
        numbers.map(() => 2 ** 31),
      ),
      {},
      400,
      /is no INT32/,
    ],
    [simple, simpleBody({}, null), {}, 400, /expected a list/],
    [
      simple,
      simpleBody({ outputs: [{ name: "Y", parameters: { classification: 3 } }] }),
      {},
      501,
      /./,
    ],
    [simple, simpleBody({ parameters: { timeout: -1 } }), {}, 400, /whole number/],
    [simple, simpleBody({ id: "x".repeat(257) }), {}, 400, /longer than 256/],
    [simple, "{}", header("3"), 400, /expected 0\.\.2/],
    [simple, "{}", header("x"), 400, /Inference-Header-Content-Length/],
    [simple, withSize(2), {}, 400, /the body ends before/],
    [simple, `{"inputs":[]}rest`, header("13"), 400, /4 bytes .* belong to no input/],
    [simple, bomb, { "content-encoding": "gzip" }, 413, /unpacks to over/],
    [simple, "{}", { "content-encoding": "zstd" }, 415, /gzip, br, deflate/],
    [simple, "{}", { "content-encoding": "gzip" }, 400, /not gzip/],
    [simple, " ".repeat(bodyBytesMax + 1), {}, 413, /length limit exceeded/],
    ["/v2/models/none/infer", simpleBody(), {}, 404, /unknown model: none/],
    ["/v2/models/simple/versions/9/infer", simpleBody(), {}, 404, /unknown version/],
    ["/v2/models/simple/config", "", {}, 405, /POST is not allowed/],
    ["/v2/models/simple/trace/setting", "{}", {}, 501, /trace settings/],
    ["/v2/systemsharedmemory/region/a/register", "{}", {}, 501, /shared memory/],
    ["/v2/logging", "{}", {}, 501, /log settings/],
    ["/v2/repository/models/none/load", "{}", {}, 404, /unknown model/],
    ["/v2/repository/models/simple/rename", "{}", {}, 404, /load or unload/],
    [
      "/v2/repository/models/simple/load",
      { parameters: { config: "{}" } },
      {},
      501,
      /not supported/,
    ],
  ];
  for (const [url, payload, headers, status, message] of cases) {
    const answer = await call("POST", url, payload, headers);
    equal(answer.statusCode, status, `${url}: ${answer.body}`);
    const { error, ...rest } = answer.json();
    match(error, message);
    deepEqual(rest, {});
  }
  equal((await call("GET", "/v2/models/simple/infer")).statusCode, 405);
  equal(repository.ran.length, 0);
});

test("a limit that is reached is 429 and says when to come back", async () => {
  const { call, repository } = await openOipEdge({ refuse: true });
  const answer = await call("POST", "/v2/models/simple/infer", simpleBody());
  equal(answer.statusCode, 429);
  equal(answer.headers["retry-after"], "2");
  equal(repository.ran.length, 0);
});

test("every datatype has a JSON form but FP16", async () => {
  const { call, orders } = await openOipEdge();
  const body = (data: unknown) => ({
    inputs: [{ name: "INPUT0", datatype: "BYTES", shape: [2], data }],
  });
  const echoed = await call("POST", "/v2/models/echo/infer", body(["a", "é\u0000"]));
  deepEqual(echoed.json().outputs[0].data, ["a", "é\u0000"]);
  const wrong = await call("POST", "/v2/models/echo/infer", body(["a", "\ud800"]));
  match(wrong.json().error, /element 1 is not well-formed/);
  equal(orders.length, 0);

  const half = { inputs: [{ name: "INPUT0", datatype: "FP16", shape: [1], data: [1] }] };
  match((await call("POST", "/v2/models/echo/infer", half)).json().error, /FP16 has no JSON form/);
  const big = { inputs: [{ name: "INPUT0", datatype: "INT64", shape: [1], data: [2 ** 60] }] };
  match((await call("POST", "/v2/models/echo/infer", big)).json().error, /carries exactly/);
});

test("parameters and the requested output shape a request of texts", async () => {
  const { call, orders } = await openOipEdge();
  const body = {
    inputs: [{ name: "any", datatype: "BYTES", shape: [2, 1], data: [["a"], ["b"]] }],
    outputs: [{ name: "vector" }],
    parameters: { truncate: false, normalize: false, dimensions: 2 },
  };
  const answer = await call("POST", "/v2/models/owner/embedding/infer", body);
  equal(answer.statusCode, 200, answer.body);
  deepEqual(answer.json().outputs, [
    { name: "vector", datatype: "FP32", shape: [2, 3], data: [1, 0.5, -1, 1, 0.5, -1] },
  ]);
  const { truncate, normalize, dimensions } = orders[0] as EmbedOrder;
  deepEqual([truncate, normalize, dimensions], [false, false, 2]);
});

test("a text model's metadata and configuration name the text", async () => {
  const { call } = await openOipEdge();
  const metadata = (await call("GET", "/v2/models/owner/embedding")).json();
  deepEqual(
    metadata.inputs.map(({ name }: { name: string }) => name),
    ["input_ids", "attention_mask", "text"],
  );
  deepEqual(metadata.inputs[2], { name: "text", datatype: "BYTES", shape: [-1] });
  deepEqual(metadata.outputs[1], { name: "sentence_embedding", datatype: "FP32", shape: [-1, 3] });
  const config = (await call("GET", "/v2/models/owner/embedding/versions/1/config")).json();
  equal(config.input[2].data_type, "TYPE_STRING");
  deepEqual(config.parameters.task, { string_value: "embedding" });
  const plain = (await call("GET", "/v2/models/simple/versions/1")).json();
  deepEqual(plain, {
    name: "simple",
    versions: ["1"],
    platform: "onnxruntime_onnx",
    inputs: ["INPUT0", "INPUT1"].map((name) => ({ name, datatype: "INT32", shape: [1, 16] })),
    outputs: ["OUTPUT0", "OUTPUT1"].map((name) => ({ name, datatype: "INT32", shape: [1, 16] })),
  });
});

test("health, statistics and the index are answered", async () => {
  const { call, repository } = await openOipEdge();
  const statusOf = async (url: string) => (await call("GET", url)).statusCode;
  equal(await statusOf("/v2/health/live"), 200);
  equal(await statusOf("/v2/health/ready"), 200);
  equal(await statusOf("/v2/models/owner%2Fembedding/ready"), 200);
  equal(await statusOf("/v2/models/none/ready"), 400);
  equal(await statusOf(`/v2/models/${"long".repeat(60)}/ready`), 400);
  repository.isHealthy = false;
  equal(await statusOf("/v2/health/ready"), 400);
  const { name, version, extensions } = (await call("GET", "/v2")).json();
  deepEqual([name, version], ["arrowmesh", "1.2.3"]);
  ok(extensions.includes("binary_tensor_data"));
  const stats = (await call("GET", "/v2/models/simple/stats")).json();
  equal(stats.model_stats[0].inference_stats.success.count, 3);
  equal((await call("GET", "/v2/models/stats")).json().model_stats.length, 4);
  deepEqual((await call("GET", "/v2/cudasharedmemory/status")).json(), []);
});

test("models are unloaded and loaded over REST, but not by foreign pages", async () => {
  const { call } = await openOipEdge();
  const change = async (what: string, headers = {}) =>
    (await call("POST", `/v2/repository/models/owner/embedding/${what}`, "{}", headers)).statusCode;
  equal(await change("unload", { origin: "https://evil.example" }), 403);
  equal(await change("unload", { origin: "null" }), 403);
  equal(await change("unload", { origin: "http://localhost:3000" }), 200);
  const ready = (await call("POST", "/v2/repository/index", { ready: true })).json();
  ok(ready.every(({ name }: { name: string }) => name !== "owner/embedding"));
  equal(await change("unload"), 404);
  equal(await change("load"), 200);
  const all = (await call("POST", "/v2/repository/index")).json();
  deepEqual(all[0], { name: "simple", version: "1", state: "READY", reason: "" });
});
