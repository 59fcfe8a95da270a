import { create } from "@bufbuild/protobuf";
import {
  type ProcessStatus,
  ProcessStatusSchema,
  StatusService,
} from "../../../gen/arrowmesh/status/v1/status_pb.js";
import type { Clock } from "../../../lib/clock.js";
import { toMeshError } from "../../../lib/errors.js";
import type { CallContext, Channel, Client } from "../../../lib/rpc/call.js";

/** What is known is told again for so long, however many people watch. */
const freshMs = 500;
/** How long a process may take to answer; less than what makes a slow trace of a question. */
const askMsMax = 800;
/** A process that has said nothing for so long counts as down. */
const silentMsMax = 3_000;
/** What a process said last is shown for so long after it went away. */
const rememberedMs = 30_000;
/** Processes of one role that are known at a time. */
const processesMax = 32;
/** Processes of one role that are asked at a time; calls go round all of them. */
const asksMax = 8;

/** A call of this gateway's own, which nobody waits for longer than `timeoutMs`. */
export type OpenCall = (timeoutMs: number) => CallContext;

/**
 * What the processes behind the gateway say of themselves. Several of one role are behind one address and answer in
 * turn, so what each said last is remembered. Nobody is asked while nobody watches.
 */
export class PeerStatuses {
  readonly #roles: readonly Role[];
  readonly #clock: Clock;
  readonly #openCall: OpenCall;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #asking: Promise<unknown> | undefined;

  constructor(
    channels: Readonly<Record<string, Channel>>,
    deps: { readonly clock: Clock; readonly openCall: OpenCall },
  ) {
    this.#roles = Object.entries(channels).map(([name, channel]) => ({
      name,
      client: channel.client(StatusService),
      processes: new Map(),
      problem: "",
    }));
    this.#clock = deps.clock;
    this.#openCall = deps.openCall;
  }

  /** All processes that are known; a role of which none is has one without an id. */
  async read(): Promise<ProcessStatus[]> {
    if (this.#clock.nowMs() - this.#askedAtMs >= freshMs) this.#asking ??= this.#askAll();
    await this.#asking;
    const nowMs = this.#clock.nowMs();
    return this.#roles.flatMap((role) => statusesOf(role, nowMs));
  }

  async #askAll(): Promise<void> {
    this.#askedAtMs = this.#clock.nowMs();
    await Promise.all(this.#roles.map((role) => this.#askRole(role)));
    this.#asking = undefined;
  }

  /** As many calls as processes are known reach each of them, and sooner or later every other one. */
  async #askRole(role: Role): Promise<void> {
    const asks = Math.min(Math.max(role.processes.size, 1), asksMax);
    role.problem = "";
    await Promise.all(Array.from({ length: asks }, () => this.#ask(role)));
    const nowMs = this.#clock.nowMs();
    for (const [id, { answeredAtMs }] of role.processes) {
      const isOver = role.processes.size > processesMax;
      if (isOver || nowMs - answeredAtMs > rememberedMs) role.processes.delete(id);
    }
  }

  async #ask(role: Role): Promise<void> {
    try {
      const { processes } = await role.client.getStatus({}, this.#openCall(askMsMax));
      const answeredAtMs = this.#clock.nowMs();
      for (const status of processes) {
        // Those heard of last stand last, so that the others are forgotten first.
        role.processes.delete(status.instanceId);
        role.processes.set(status.instanceId, { status, answeredAtMs });
      }
    } catch (error) {
      role.problem = toMeshError(error).message;
    }
  }
}

interface Role {
  readonly name: string;
  readonly client: Client<typeof StatusService>;
  /** By instance id. */
  readonly processes: Map<string, Known>;
  /** Why a call of the latest round failed; empty when none did. */
  problem: string;
}

interface Known {
  readonly status: ProcessStatus;
  readonly answeredAtMs: number;
}

function statusesOf({ name, processes, problem }: Role, nowMs: number): ProcessStatus[] {
  if (processes.size === 0) return [create(ProcessStatusSchema, { roles: [name], problem })];
  return [...processes.values()].map(({ status, answeredAtMs }) => {
    const ageMs = nowMs - answeredAtMs;
    const answering = ageMs < silentMsMax;
    return { ...status, ageMs, answering, problem: answering ? "" : problem || "it is silent" };
  });
}
