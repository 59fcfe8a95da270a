import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../lib/package-root.js";
import { run } from "../support/programs.js";
import { goProgram } from "./go-program.js";
import { cpuSeconds } from "./server-facts.js";

const module = "github.com/bojand/ghz/cmd/ghz";
const version = "v0.120.0";
const method = "envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";
/** Not every server has reflection. */
const contracts = join(packageRoot, "proto/contracts.binpb");
const connectionsMax = 16;
/** Beside the seconds of the load itself. */
const spareMsMax = 30_000;

export const domain = "bench";
/** Entries of the descriptor that each request has. */
export const descriptorKey = "user";

export interface Decisions {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time of the server's processes for each, in microseconds. */
  readonly serverCpuUs: number;
  readonly failures: number;
}

export interface DecisionServer {
  readonly address: string;
  readonly pids: readonly number[];
}

/** Asks for decisions of many keys in turn, by a load generator that neither side wrote. */
export class Ghz {
  readonly #program: string;
  readonly #dataFile: string;

  static async open(folder: string, keys = 1_000): Promise<Ghz> {
    return new Ghz(await goProgram(module, version), folder, keys);
  }

  private constructor(program: string, folder: string, keys: number) {
    this.#program = program;
    this.#dataFile = join(folder, "requests.json");
    const requests = Array.from({ length: keys }, (_, index) => ({
      domain,
      descriptors: [{ entries: [{ key: descriptorKey, value: `caller-${index}` }] }],
    }));
    writeFileSync(this.#dataFile, JSON.stringify(requests));
  }

  async load(
    { address, pids }: DecisionServer,
    { callers, seconds }: { readonly callers: number; readonly seconds: number },
  ): Promise<Decisions> {
    const cpuBefore = cpuSeconds(pids);
    const args = [
      ...[
        "--insecure",
        "--protoset",
        contracts,
        "--call",
        method,
        "--data-file",
        this.#dataFile,
        "--format",
        "json",
      ],
      ...["--concurrency", String(callers)],
      ...["--connections", String(Math.min(callers, connectionsMax))],
      ...["--duration", `${seconds}s`, "--duration-stop", "wait"],
    ];
    const msMax = seconds * 1_000 + spareMsMax;
    const { code, stdout, stderr } = await run(this.#program, [...args, address], { msMax });
    if (code !== 0) throw new Error(`ghz: ${stderr}`);
    const report = JSON.parse(stdout) as Report;
    const latencyMs = (percentage: number): number =>
      (report.latencyDistribution.find((one) => one.percentage === percentage)?.latency ??
        Number.NaN) / 1e6;
    const answered = report.statusCodeDistribution?.OK ?? 0;
    return {
      perSecond: report.rps,
      p50Ms: latencyMs(50),
      p99Ms: latencyMs(99),
      serverCpuUs: ((cpuSeconds(pids) - cpuBefore) * 1e6) / report.count,
      failures: report.count - answered,
    };
  }
}

/** What is read of ghz's report; times in nanoseconds. */
interface Report {
  readonly count: number;
  readonly rps: number;
  readonly latencyDistribution: readonly {
    readonly percentage: number;
    readonly latency: number;
  }[];
  readonly statusCodeDistribution?: Readonly<Record<string, number>>;
}
