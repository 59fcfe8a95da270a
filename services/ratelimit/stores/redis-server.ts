import { equal, ok } from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { until, untilPasses } from "../../../test/support/until.js";

const startMsMax = 10_000;

/** For tests: why a real Redis cannot be started here; false when it can. */
export const redisMissing: string | false =
  spawnSync("redis-server", ["--version"]).status === 0 ? false : "redis-server is not installed";

export interface RedisServerOptions {
  /** Undefined: a socket. */
  readonly port?: number;
  readonly arguments?: readonly string[];
  /** The lines that make it a Sentinel. */
  readonly sentinel?: readonly string[];
}

/** For tests: a real Redis of their own, on a socket in a folder of their own, or on a port of this machine. */
export class RedisServer {
  readonly folder = mkdtempSync(join(tmpdir(), "arrowmesh-redis-"));
  readonly url: string;
  readonly #arguments: readonly string[];
  #child: ChildProcess | undefined;

  constructor(options: RedisServerOptions = {}) {
    const { port, sentinel } = options;
    this.url = port === undefined ? join(this.folder, "redis.sock") : `redis://127.0.0.1:${port}`;
    const where = ["--port", String(port ?? 0), "--bind", "127.0.0.1", "--dir", this.folder];
    const more = options.arguments ?? [];
    if (sentinel === undefined) {
      this.#arguments = [
        ...where,
        "--unixsocket",
        join(this.folder, "redis.sock"),
        "--save",
        "",
        ...more,
      ];
    } else {
      const file = join(this.folder, "sentinel.conf");
      writeFileSync(file, sentinel.join("\n"));
      this.#arguments = [file, "--sentinel", ...where, ...more];
    }
  }

  /** Until it answers. */
  async start(): Promise<void> {
    this.launch();
    await until(() => this.#answers(), startMsMax);
  }

  /** Without waiting for an answer. */
  launch(): void {
    const child = spawn("redis-server", this.#arguments, { stdio: "ignore" });
    this.#child = child;
    process.once("exit", () => child.kill("SIGKILL"));
  }

  /** Ends the process, and with it all that it held. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  /**
   * Until the replica has all that was told to this primary. It says that its link is up before it hears anything: its
   * primary begins at the replica's next word, which may be a second later.
   */
  async replicatedTo(replica: RedisServer): Promise<void> {
    await untilPasses(async () => {
      const told = await this.#replication("master_repl_offset");
      ok(told !== undefined);
      equal(await replica.#replication("slave_repl_offset"), told);
    });
  }

  /** Takes connections and bytes, and answers nothing, until `resume`. */
  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Runs one command on a connection of its own. */
  async call(command: string, ...input: readonly (string | number)[]): Promise<unknown> {
    const redis = new Redis(this.url, { lazyConnect: true, retryStrategy: () => null });
    redis.on("error", () => {
      // It is told by what is awaited.
    });
    try {
      await redis.connect();
      return await redis.call(command, ...input);
    } finally {
      redis.disconnect();
    }
  }

  /** One of the facts of its replication. */
  async #replication(name: string): Promise<string | undefined> {
    const facts = String(await this.call("INFO", "replication"));
    return new RegExp(`^${name}:(\\d+)`, "m").exec(facts)?.[1];
  }

  async #answers(): Promise<boolean> {
    try {
      return (await this.call("PING")) === "PONG";
    } catch {
      return false;
    }
  }
}
