import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { sleep, systemClock } from "../../lib/clock.js";

const startMsMax = 10_000;

/** For tests: why a real Redis cannot be started here; false when it can. */
export const redisMissing: string | false =
  spawnSync("redis-server", ["--version"]).status === 0 ? false : "redis-server is not installed";

/** For tests: a real Redis of their own, on a socket in a folder of their own. */
export class RedisServer {
  readonly #folder = mkdtempSync(join(tmpdir(), "arrowmesh-redis-"));
  readonly url = join(this.#folder, "redis.sock");
  #child: ChildProcess | undefined;

  async start(): Promise<void> {
    const options = ["--port", "0", "--unixsocket", this.url, "--save", "", "--dir", this.#folder];
    const child = spawn("redis-server", options, { stdio: "ignore" });
    this.#child = child;
    process.once("exit", () => child.kill("SIGKILL"));
    const giveUpAtMs = systemClock.nowMs() + startMsMax;
    while (!(await this.#answers())) {
      if (systemClock.nowMs() > giveUpAtMs) throw new Error("redis-server did not start");
      await sleep(systemClock, 20);
    }
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

  /** Takes connections and bytes, and answers nothing, until `resume`. */
  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #answers(): Promise<boolean> {
    const redis = new Redis(this.url, { lazyConnect: true, retryStrategy: () => null });
    redis.on("error", () => {
      // Not yet.
    });
    try {
      await redis.connect();
      return (await redis.ping()) === "PONG";
    } catch {
      return false;
    } finally {
      redis.disconnect();
    }
  }
}
