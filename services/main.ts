#!/usr/bin/env node
// The `arrowmesh` command: arguments, environment, signals and exit code.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { ConfigError, readConfig, type Schema } from "../lib/config.js";
import { MeshError } from "../lib/errors.js";
import { jaegerSchema } from "../lib/jaeger/config.js";
import { stackOf } from "../lib/log.js";
import { createRedactor } from "../lib/logging/redactor.js";
import { packageRoot } from "../lib/package-root.js";
import { processSchema } from "../lib/process-config.js";
import { tracingSchema } from "../lib/tracing/config.js";
import { gatewaySchema } from "./gateway/config.js";
import { inferenceSchema } from "./inference/config.js";
import { internalRoles, serveGatewayAlone, serveMesh, serveRole } from "./mesh.js";
import { createPlatform, type Platform } from "./platform.js";
import { createPullCommand, pullSchema } from "./pull.js";
import { ratelimitSchema } from "./ratelimit/config.js";
import { InvalidFiles } from "./ratelimit/files/invalid-files.js";
import { createRatelimitCommand } from "./ratelimit-command.js";
import { tokenizerSchema } from "./tokenizer/config.js";
import { createTraceCommand } from "./trace-command.js";

const { version } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as {
  version: string;
};
const schemas = {
  gateway: gatewaySchema,
  tokenizer: tokenizerSchema,
  inference: inferenceSchema,
  ratelimit: ratelimitSchema,
};

/** A process that does not end by itself after its own deadlines is a bug; it must not become an outage. */
const stuckMsMax = 10_000;
/** How long what is left open may keep the process once everything has been closed. */
const lingerMsMax = 2_000;

const program = new Command("arrowmesh")
  .description("A gRPC mesh for text-model inference.")
  .version(version);
const serve = program
  .command("serve")
  .description("Serve every role in one process, except those whose address is set.")
  .addHelpText("after", settingsHelp(processSchema, tracingSchema, ...Object.values(schemas)))
  .action(() => run("mesh", serveMesh));
serve
  .command("gateway")
  .description("Serve the gateway; the other roles are other processes.")
  .addHelpText("after", settingsHelp(processSchema, tracingSchema, gatewaySchema))
  .action(() => run("gateway", serveGatewayAlone));
for (const role of internalRoles) {
  serve
    .command(role)
    .description(`Serve ${role} alone, for a gateway elsewhere.`)
    .addHelpText("after", settingsHelp(processSchema, tracingSchema, schemas[role]))
    .action(() => run(role, (platform) => serveRole(role, platform)));
}
// A command's own --version is not the program's.
program
  .enablePositionalOptions()
  .addCommand(createPullCommand(process.env).addHelpText("after", settingsHelp(pullSchema)))
  .addCommand(createRatelimitCommand(process.env))
  .addCommand(createTraceCommand(process.env).addHelpText("after", settingsHelp(jaegerSchema)));
await program.parseAsync().catch(fail);

async function run(name: string, open: (platform: Platform) => Promise<number>): Promise<void> {
  try {
    const platform = await createPlatform(process.env, { version, role: name });
    const { clock, config, log } = platform;
    keepLog(platform);
    endOnSignals(platform);
    const port = await open(platform);
    const url = `${schemeOf(name, platform)}://${config.host}:${port}`;
    log.info({ role: name, url, ready_ms: Math.round(clock.nowMs()) }, "serving");
  } catch (error) {
    fail(error);
  }
}

/** Only the public port speaks TLS. */
function schemeOf(name: string, { env }: Platform): string {
  const isPublic = name === "mesh" || name === "gateway";
  return isPublic && readConfig(gatewaySchema, env).tlsCertFile !== undefined ? "https" : "http";
}

/** What a person can mend is said in one line; anything else is a bug and shows where it is. */
function fail(error: unknown): never {
  const isExpected =
    error instanceof ConfigError ||
    error instanceof MeshError ||
    error instanceof InvalidFiles ||
    (error instanceof Error && "syscall" in error);
  const text = isExpected ? error.message : stackOf(error);
  process.stderr.write(`${createRedactor(process.env)(text)}\n`);
  process.exit(1);
}

/** What was logged gets out however the process ends, but for SIGKILL; a bug that nobody caught is logged as well. */
function keepLog({ openedLog, log }: Platform): void {
  process.once("exit", openedLog.end);
  process.once("uncaughtException", (error, origin) => {
    log.fatal({ cause: stackOf(error), origin }, "process failed");
    fail(error);
  });
  // A terminal that is closed ends the process, unless lines go to a file.
  if (openedLog.isFile) process.on("SIGHUP", openedLog.reopen);
}

/** SIGTERM and SIGINT drain; a second one ends at once. */
function endOnSignals(platform: Platform): void {
  const { clock, config, log } = platform;
  let isEnding = false;
  const end = (signal: NodeJS.Signals): void => {
    if (isEnding) process.exit(1);
    isEnding = true;
    log.info({ signal }, "draining");
    const watchdog = clock.at(clock.nowMs() + config.shutdownMsMax + stuckMsMax, () =>
      process.exit(1),
    );
    platform
      .close()
      .catch((error: unknown) => log.error({ cause: stackOf(error) }, "closing failed"))
      .finally(() => {
        watchdog();
        process.off("SIGTERM", end);
        process.off("SIGINT", end);
        log.info("ended");
        platform.openedLog.end();
        // Its timer keeps nothing alive: it only fires when something else does, a connection of the last moment, say.
        AbortSignal.timeout(lingerMsMax).addEventListener("abort", () => {
          process.stderr.write(`left open: ${process.getActiveResourcesInfo().join(", ")}\n`);
          process.exit();
        });
      });
  };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
}

function settingsHelp(...parts: readonly Schema[]): string {
  const fields = parts.flatMap((schema) => Object.values(schema));
  const unique = [...new Map(fields.map((field) => [field.env, field])).values()];
  const lines = unique.map(({ env, doc, fallback }) => {
    const value = fallback === undefined ? "" : ` [${String(fallback)}]`;
    return `  ${env}\n      ${doc}${value}`;
  });
  return `\nSettings, by environment variable [default]:\n${lines.join("\n")}`;
}
