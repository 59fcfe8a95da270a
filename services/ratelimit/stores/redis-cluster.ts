import { sleep, systemClock } from "../../../lib/clock.js";
import { until } from "../../../test/support/until.js";
import { RedisServer } from "./redis-server.js";

const primaries = 3;
const slots = 16_384;
const joinMsMax = 20_000;
const nodeTimeoutMs = 1_000;

/** For tests: three primaries and as many replicas, a real Redis Cluster on ports of this machine. */
export class RedisCluster {
  readonly nodes: readonly RedisServer[];
  readonly addresses: readonly string[];

  constructor(ports: readonly number[]) {
    this.addresses = ports.map((port) => `127.0.0.1:${port}`);
    const options = ["--cluster-enabled", "yes", "--cluster-node-timeout", String(nodeTimeoutMs)];
    this.nodes = ports.map((port) => {
      // Else the port of the cluster's own talk is 10,000 higher, which may be none.
      const bus = ["--cluster-port", String(port < 40_000 ? port + 20_000 : port - 20_000)];
      return new RedisServer({ port, arguments: [...options, ...bus] });
    });
  }

  async start(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.start()));
    const ids = await Promise.all(
      this.nodes.map(async (node) => String(await node.call("CLUSTER", "MYID"))),
    );
    await Promise.all(
      this.nodes.map((node, index) => node.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1)),
    );
    await Promise.all(
      this.nodes.slice(0, primaries).map((node, index) => {
        const first = Math.floor((index * slots) / primaries);
        const last = Math.floor(((index + 1) * slots) / primaries) - 1;
        return node.call("CLUSTER", "ADDSLOTSRANGE", first, last);
      }),
    );
    const [first, ...others] = this.nodes;
    for (const node of others) await meet(first, node);
    await until(async () => {
      const known = await Promise.all(this.nodes.map((node) => node.call("CLUSTER", "NODES")));
      return known.every((text) => String(text).trim().split("\n").length === this.nodes.length);
    }, joinMsMax);
    await Promise.all(
      this.nodes.slice(primaries).map((node, index) => {
        return node.call("CLUSTER", "REPLICATE", ids[index] ?? "");
      }),
    );
    await this.ready();
  }

  /** A primary, by its place among them, and its replica. */
  pair(index: number): { readonly primary: RedisServer; readonly replica: RedisServer } {
    const [primary, replica] = [this.nodes[index], this.nodes[primaries + index]];
    if (primary === undefined || replica === undefined) throw new Error("no such node");
    return { primary, replica };
  }

  /** Waits until each node that answers finds the cluster whole, and each replica its primary. */
  async ready(): Promise<void> {
    await until(async () => {
      const states = await Promise.all(
        this.nodes.map((node) => node.call("CLUSTER", "INFO").catch(() => undefined)),
      );
      const roles = await Promise.all(
        this.nodes.map((node) => node.call("INFO", "replication").catch(() => "")),
      );
      const isWhole = states.every(
        (text) => text === undefined || /cluster_state:ok/.test(String(text)),
      );
      return isWhole && roles.every((text) => !/master_link_status:down/.test(String(text)));
    }, joinMsMax);
  }

  /** Moves a slot from one primary to another, key by key, while both serve it. */
  async reshard(slot: number, from: number, to: number): Promise<void> {
    const [source, target] = [this.pair(from).primary, this.pair(to).primary];
    const [sourceId, targetId] = [
      await source.call("CLUSTER", "MYID"),
      await target.call("CLUSTER", "MYID"),
    ];
    await target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", String(sourceId));
    await source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", String(targetId));
    const [host = "", port = ""] = this.addresses[to]?.split(":") ?? [];
    for (;;) {
      // It answers a list of keys.
      const keys = (await source.call("CLUSTER", "GETKEYSINSLOT", slot, 10)) as string[];
      if (keys.length === 0) break;
      await source.call("MIGRATE", host, port, "", 0, 5_000, "KEYS", ...keys);
      await sleep(systemClock, 20);
    }
    for (const node of [target, source, ...this.nodes.slice(0, primaries)]) {
      await node.call("CLUSTER", "SETSLOT", slot, "NODE", String(targetId));
    }
  }

  async remove(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.remove()));
  }
}

async function meet(first: RedisServer | undefined, node: RedisServer): Promise<void> {
  const { hostname, port } = new URL(node.url);
  const bus = Number(port) < 40_000 ? Number(port) + 20_000 : Number(port) - 20_000;
  await first?.call("CLUSTER", "MEET", hostname, port, bus);
}
