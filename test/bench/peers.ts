// npm run bench:peers [-- --seconds N] [--rounds N] [--patience N]: the mesh, the usual Python service and the barest of Node
// servers on the same kind of texts, in turns, so that all have the same share of the machine. Each ratio is to the peer's
// measurement right before it.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { packageRoot } from "../../lib/package-root.js";
import { startMesh } from "../support/mesh-process.js";
import { describeCpu } from "./cpu.js";
import { createBatches } from "./limit/batches.js";
import { Limit } from "./limit/limit.js";
import { loadServer, singleTexts, type Target, warmUpSeconds } from "./load-server.js";
import { mean } from "./measure.js";
import { Patience } from "./patience.js";
import { startPeer } from "./peer-process.js";
import { type Duel, type Limits, type Round, toPeersTable, type Weights } from "./peers-table.js";
import { startScript } from "./start-script.js";
import { equalLengths } from "./texts.js";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "4" },
    patience: { type: "string", default: "120" },
    rounds: { type: "string", default: "3" },
  },
});
const seconds = Number(values.seconds);
const patience = new Patience(Number(values.patience));
const rounds = Number(values.rounds);
const peerFolder = join(packageRoot, "../shared/peers/fastapi-ort");
const fullModel = join(packageRoot, "../shared/models/all-MiniLM-L6-v2");
const ownModel = join(packageRoot, "models/all-MiniLM-L6-v2");
for (const folder of [peerFolder, fullModel]) {
  if (!existsSync(folder)) throw new Error(`${folder} is needed`);
}

const releases: (() => Promise<void>)[] = [];
try {
  const limits = {
    int8: await Limit.open(join(ownModel, "onnx/model_int8.onnx")),
    float32: await Limit.open(join(fullModel, "onnx/model.onnx")),
  };
  releases.push(() => limits.int8.close());
  releases.push(() => limits.float32.close());
  const { peer, bareServer, meshes } = await startAll();
  const before = await measureBare(limits);
  const duels: Duel[] = [];
  for (const callers of [1, 16, 64])
    duels.push(...(await fight(peer, bareServer, meshes, callers)));
  const after = await measureBare(limits);
  const cpu = describeCpu();
  console.log(`${cpu}; Node ${process.version}; ${rounds} rounds of ${seconds} s\n`);
  const bare = {
    int8: mean([before.int8, after.int8]),
    float32: mean([before.float32, after.float32]),
  };
  console.log(toPeersTable(duels, bare));
  console.log(
    `\nBare ONNX Runtime on all cores, 8 x 17 tokens: int8 ${bare.int8.toFixed(0)}/s, float32 ` +
      `${bare.float32.toFixed(0)}/s, ratio ${ratio(bare)} (before ${ratio(before)}, after ${ratio(after)}; ` +
      "about 2.7 with VNNI).",
  );
} finally {
  for (const release of releases.reverse()) await release();
}

type Meshes = Readonly<Record<Weights, Target>>;

async function startAll(): Promise<{ peer: Target; bareServer: Target; meshes: Meshes }> {
  const start = async (env: NodeJS.ProcessEnv): Promise<Target> => {
    const mesh = await startMesh("one", env);
    releases.push(() => mesh.stop());
    return { url: `${mesh.url}/embed`, pids: [mesh.gateway.pid] };
  };
  const peer = await startPeer(peerFolder, fullModel);
  releases.push(() => peer.stop());
  const script = await startScript("bare/server.js", [ownModel]);
  releases.push(() => script.stop());
  const bareServer = { url: `http://127.0.0.1:${script.port}/embed`, pids: [script.pid] };
  const meshes = {
    int8: await start({ DTYPE: "int8" }),
    float32: await start({ DTYPE: "float32", MODEL_PATH: fullModel }),
  };
  for (const target of [peer, bareServer, meshes.int8, meshes.float32]) {
    await loadServer(target, singleTexts(64), warmUpSeconds);
  }
  return { peer, bareServer, meshes };
}

async function fight(
  peer: Target,
  bareServer: Target,
  meshes: Meshes,
  callers: number,
): Promise<Duel[]> {
  const fought: Record<Weights, Round[]> = { int8: [], float32: [] };
  for (let round = 0; round < rounds; round += 1) {
    for (const weights of ["int8", "float32"] as const) {
      const load = (target: Target) =>
        patience.measure(() => loadServer(target, singleTexts(callers), seconds));
      const ofPeer = await load(peer);
      const ofMesh = await load(meshes[weights]);
      const ofBare = weights === "int8" ? await load(bareServer) : undefined;
      fought[weights].push({ peer: ofPeer, mesh: ofMesh, bare: ofBare });
      const [a, b, c] = [ofPeer, ofMesh, ofBare].map((x) => x?.textsPerSecond.toFixed(0) ?? "-");
      console.error(`c=${callers} ${weights}: peer ${a}/s, mesh ${b}/s, bare server ${c}/s`);
    }
  }
  return [
    { weights: "int8", callers, rounds: fought.int8 },
    { weights: "float32", callers, rounds: fought.float32 },
  ];
}

async function measureBare(limits: Readonly<Record<Weights, Limit>>): Promise<Limits> {
  const batches = await createBatches(ownModel, equalLengths);
  const measureOne = (limit: Limit) => patience.measure(() => limit.measure(batches, seconds / 2));
  const int8 = await measureOne(limits.int8);
  const float32 = await measureOne(limits.float32);
  return { int8: int8.textsPerSecond, float32: float32.textsPerSecond };
}

function ratio({ int8, float32 }: Limits): string {
  return (int8 / float32).toFixed(2);
}
