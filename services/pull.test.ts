import { deepEqual, equal, match, ok } from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { modelFiles, readTree, settingsOf, withHub } from "../lib/hub/pull-suite.js";
import { packageRoot } from "../lib/package-root.js";

function start(args: readonly string[], env: NodeJS.ProcessEnv) {
  const main = join(packageRoot, "dist/services/main.js");
  const child = spawn(process.execPath, [main, "pull", ...args], {
    env: { PATH: process.env.PATH, ...env },
    timeout: 60_000,
  });
  const exited = once(child, "exit").then(([code]) => code as number | null);
  const done = async () => {
    const [code, stdout, stderr] = await Promise.all([
      exited,
      text(child.stdout),
      text(child.stderr),
    ]);
    return { code, stdout, stderr };
  };
  return { child, done: done() };
}

test("arrowmesh pull prints the folder, and on stderr what it does", () =>
  withHub(async ({ hub, repository }) => {
    hub.token = "hf_TopSecret";
    const commit = hub.commit({ ...modelFiles(), "onnx/model_int8.onnx": "int8" }, "v1");
    const env = { ...settingsOf(hub), HF_TOKEN: hub.token, MODEL_REPOSITORY: repository };
    const args = [
      "org/name@v1",
      "--include",
      "onnx/*_int8.onnx",
      "--version",
      "3",
      "--name",
      "mini",
    ];
    const { code, stdout, stderr } = await start(args, env).done;
    equal(code, 0, stderr);
    equal(stdout, `${join(repository, "mini/3")}\n`);
    match(stderr, new RegExp(`commit ${commit}`));
    match(stderr, /onnx\/model_int8\.onnx: 0\.000 MB downloaded/);
    match(stderr, /4 files checked, 4 downloaded/);
    ok(!stderr.includes("TopSecret"));
    ok("onnx/model_int8.onnx" in readTree(join(repository, "mini/3")));

    hub.asked.length = 0;
    const again = await start(args, { ...env, HF_HUB_OFFLINE: "1" }).done;
    equal(again.code, 0, again.stderr);
    deepEqual([again.stdout, hub.asked], [stdout, []]);
  }));

test("arrowmesh pull fails in one line that a person can act on", () =>
  withHub(async ({ hub, repository }) => {
    hub.token = "hf_right";
    const env = { ...settingsOf(hub), HF_TOKEN: "hf_TopSecret" };
    const { code, stdout, stderr } = await start(["org/name", "--repository", repository], env)
      .done;
    deepEqual([code, stdout], [1, ""]);
    match(stderr, /^org\/name: no such repository, or the token in HF_TOKEN may not .*\n$/);
    const wrong = await start(["org/name", "--version", "0"], env).done;
    equal(wrong.code, 1);
    match(wrong.stderr, /Expected a whole number from 1/);
  }));

test("Ctrl-C leaves what the next pull resumes, and no lock", () =>
  withHub(async ({ hub, repository }) => {
    hub.commit(modelFiles());
    hub.mishap = (path) => (path.startsWith("onnx/") ? { silentAfter: 100_000 } : undefined);
    const env = { ...settingsOf(hub), MODEL_REPOSITORY: repository };
    const { child, done } = start(["org/name"], env);
    child.stderr.on("data", (line) => {
      if (String(line).includes("30 %")) child.kill("SIGINT");
    });
    const { code, stderr } = await done;
    equal(code, 1);
    match(stderr, /the pull was cancelled\n$/);
    deepEqual(readdirSync(join(repository, "name")), [".1.pull"]);
    hub.mishap = () => undefined;
    hub.asked.length = 0;
    equal((await start(["org/name"], env).done).code, 0);
    deepEqual(
      hub.asked.flatMap(({ path, range }) => (path === undefined ? [] : [range])),
      ["bytes=100000-"],
    );
  }));
