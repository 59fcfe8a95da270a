import { forkMesh } from "./forked-mesh.js";
import { overheadLoads, warmUpSeconds } from "./load-server.js";
import { shareOf } from "./profile-share.js";
import type { Profiled } from "./profiled-mesh.js";
import { shown, toMarkdown } from "./table.js";

/** All that counts for `/metrics`, and the library that shows it. */
const metricsFiles = /\/(metrics\/[^/]+|[\w-]*metrics|light-histogram)\.js$|\/prom-client\//;

/**
 * What metrics cost: their share of a loaded mesh's time, by a sampling profiler. It is too small to be found between runs
 * with and without them. Where the model works, the event loop waits for it: then all CPU is what throughput is made of,
 * and metrics take at most the share of it that is told. A Markdown table.
 */
export async function profileMetrics({ seconds }: { readonly seconds: number }): Promise<string> {
  const mesh = await forkMesh("./profiled-mesh.js", {});
  try {
    const rows: string[][] = [];
    for (const [name, spec] of Object.entries(overheadLoads)) {
      await mesh.load(spec, warmUpSeconds);
      await mesh.ask("start");
      await mesh.load(spec, seconds);
      const { profile, loopSeconds, cpuSeconds } = (await mesh.ask("stop")) as Profiled;
      const { share, samples, busySamples } = shareOf(profile, (url) => metricsFiles.test(url));
      const ofCpu = (share * loopSeconds) / cpuSeconds;
      rows.push([name, percent(share), percent(ofCpu), `${samples} of ${busySamples}`]);
      console.error(rows.at(-1)?.join(", "));
    }
    return toMarkdown(["case", "of the event loop", "of all CPU", "samples"], rows);
  } finally {
    await mesh.stop();
  }
}

function percent(share: number): string {
  return `${shown(100 * share, 2)} %`;
}
