// npm run bench [-- --seconds N] [-- --four]: what the mesh does on this machine, against what the machine can do.
// The server runs in its own process (or four); every text is different, so that nothing is answered from memory.

import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { VectorEncoding } from "../../gen/arrowmesh/gateway/v1/gateway_pb.js";
import { hasVnni } from "../../services/inference/session-options.js";
import { gatewayOf } from "../support/clients.js";
import { startMesh } from "../support/mesh-process.js";
import { createPoster } from "./http-load.js";
import { measureLimit } from "./limit.js";
import { type Measurement, measure } from "./measure.js";
import { toTable } from "./table.js";
import { createTexts } from "./texts.js";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "6" },
    four: { type: "boolean", default: false },
  },
});
const seconds = Number(values.seconds);
const tokens = 17;
const text = createTexts(Date.now());

const limitBefore = await measureLimit({ sequences: 8, tokens, seconds });
const rows: Measurement[] = [];
const mesh = await startMesh(values.four ? "four" : "one");
try {
  for (const concurrency of [1, 16, 64]) rows.push(await single(mesh.url, concurrency));
  for (const concurrency of [1, 4]) rows.push(await batches(mesh.url, concurrency));
} finally {
  await mesh.stop();
}
const limitAfter = await measureLimit({ sequences: 8, tokens, seconds });
// Shared machines drift; the mean of before and after is what the cases in between had.
const limit = {
  ...limitAfter,
  textsPerSecond: (limitBefore.textsPerSecond + limitAfter.textsPerSecond) / 2,
};

const cpu = `${cpus().length} x ${cpus()[0]?.model.trim()}, ${hasVnni() ? "VNNI" : "no VNNI"}`;
console.log(`${values.four ? "four processes" : "one process"}; ${cpu}; Node ${process.version}\n`);
console.log(toTable([limit, ...rows], limit));
if (rows.some(({ failures }) => failures > 0)) process.exitCode = 1;

async function single(url: string, concurrency: number): Promise<Measurement> {
  const { post, close } = createPoster(`${url}/embed`, concurrency);
  const call = () => post(JSON.stringify({ inputs: text(tokens) }));
  const name = `POST /embed, one text of ${tokens} tokens, concurrency ${concurrency}`;
  const measured = await measure({ name, concurrency, seconds, textsPerCall: 1, call });
  close();
  return measured;
}

async function batches(url: string, concurrency: number): Promise<Measurement> {
  const textsPerCall = 32;
  const gateway = gatewayOf(createGrpcTransport({ baseUrl: url }));
  const call = async (): Promise<void> => {
    const inputs = Array.from({ length: textsPerCall }, () => text(tokens));
    await gateway.embed({ inputs, encoding: VectorEncoding.FLOAT32_LE });
  };
  const name = `gRPC Embed, ${textsPerCall} texts of ${tokens} tokens, concurrency ${concurrency}`;
  return await measure({ name, concurrency, seconds, textsPerCall, call });
}
