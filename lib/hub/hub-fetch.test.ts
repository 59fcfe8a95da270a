import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { inspect } from "node:util";
import { freePort } from "../../test/support/free-port.js";
import { ConfigError, readConfig } from "../config.js";
import { hubSchema } from "./config.js";
import { modelFiles, withHub } from "./pull-suite.js";

const token = "hf_TopSecret";

test("the token goes to the endpoint's origin and to no other", () =>
  withHub(async ({ hub, pull }) => {
    hub.token = token;
    hub.commit(modelFiles());
    await pull({}, { HF_TOKEN: token });
    const atHub = hub.asked.filter(({ server }) => server === "hub");
    const atCdn = hub.asked.filter(({ server }) => server === "cdn");
    ok(atHub.length > 0 && atHub.every(({ authorization }) => authorization === `Bearer ${token}`));
    ok(atCdn.length > 0 && atCdn.every(({ authorization }) => authorization === undefined));
  }));

for (const [what, env, message] of [
  ["no token", {}, /org\/name: .* reading it needs HF_TOKEN \(401 /],
  ["a wrong token", { HF_TOKEN: token }, /org\/name: .* the token in HF_TOKEN may not read it/],
] as const) {
  test(`with ${what}, the refusal names the variable and not the token`, () =>
    withHub(async ({ hub, pull }) => {
      hub.token = "hf_right";
      const error = await pull({}, env).catch((thrown: unknown) => thrown);
      await rejects(Promise.reject(error), { fault: "unauthenticated", message });
      ok(!inspect(error, { depth: 9 }).includes(token));
      equal(hub.asked.length, 1, "a refusal is not retried");
    }));
}

test("a gated repository, an unknown one and an unknown revision are told apart", () =>
  withHub(async ({ hub, pull }) => {
    hub.commit(modelFiles());
    await rejects(pull({ revision: "v9" }), {
      fault: "not_found",
      message: /no revision v9 \(404/,
    });
    await rejects(pull({ source: "org/other" }), { message: /^org\/other: no such repository/ });
    hub.statuses.push(403);
    await rejects(pull(), { fault: "forbidden", message: /gated and not for callers without/ });
  }));

test("a hub that is busy or broken for a while is asked again", () =>
  withHub(async ({ hub, pull, events }) => {
    hub.commit(modelFiles());
    hub.statuses.push(429, 503, 500);
    await rejects(pull(), { fault: "unavailable", message: /answers 500/ });
    hub.statuses.push(500);
    equal((await pull()).downloads, 4);
    equal(events.filter(({ kind }) => kind === "retrying").length, 3);
  }));

test("a link to a file that expired is asked for again", () =>
  withHub(async ({ hub, pull }) => {
    hub.commit(modelFiles());
    const statuses = [403];
    hub.mishap = (path) => {
      const status = path.startsWith("onnx/") ? statuses.shift() : undefined;
      return status === undefined ? undefined : { status };
    };
    equal((await pull()).downloads, 4);
  }));

test("a hub that nobody answers for is named, without what its library says", () =>
  withHub(async ({ pull }) => {
    const endpoint = `http://127.0.0.1:${await freePort()}`;
    const message = new RegExp(`^${endpoint.slice(7)} failed: ECONNREFUSED$`);
    await rejects(pull({}, { HF_ENDPOINT: endpoint }), { fault: "unavailable", message });
  }));

for (const [what, location, message] of [
  ["in a circle", "/again", /redirects more than 8 times/],
  ["to a file", "file:///etc/passwd", /redirects to file:/],
  ["to nowhere", "http://", /redirects to what is no URL/],
] as const) {
  test(`a redirect ${what} is not followed`, () =>
    withHub(async ({ pull }) => {
      const server = createServer((_, response) => response.writeHead(302, { location }).end());
      const port = await freePort();
      server.listen(port, "127.0.0.1");
      const env = { HF_ENDPOINT: `http://127.0.0.1:${port}` };
      await rejects(pull({}, env), { fault: "internal", message });
      server.closeAllConnections();
      server.close();
    }));
}

test("an answer without end is cut off", () =>
  withHub(async ({ pull }) => {
    const server = createServer((_, response) => {
      const more = (): void => {
        while (response.write("[".repeat(1 << 20)));
      };
      response.on("drain", more);
      more();
    });
    const port = await freePort();
    server.listen(port, "127.0.0.1");
    const env = { HF_ENDPOINT: `http://127.0.0.1:${port}` };
    await rejects(pull({}, env), { fault: "too_large", message: /more than 16777216 bytes/ });
    server.closeAllConnections();
    server.close();
  }));

test("settings that cannot work are refused without showing the token", () => {
  for (const HF_ENDPOINT of ["hub", "ftp://hub", "https://me:pass@hub", "https://hub/?a"]) {
    const read = () => readConfig(hubSchema, { HF_ENDPOINT, HF_TOKEN: "hf_Top Secret" });
    try {
      read();
      ok(false, "it is refused");
    } catch (error) {
      ok(error instanceof ConfigError);
      equal(error.problems.length, 2);
      ok(!/Top|pass/.test(error.message));
    }
  }
  const config = readConfig(hubSchema, { HF_ENDPOINT: "https://hub/a//", HF_TOKEN: token });
  deepEqual([config.endpoint, config.token?.reveal()], ["https://hub/a", token]);
  ok(!`${inspect(config)}${JSON.stringify(config)}`.includes("TopSecret"));
});
