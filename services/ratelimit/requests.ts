import {
  type Caller,
  type CommitRequest,
  type Spend as SpendMessage,
  Unit,
} from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import { MeshError } from "../../lib/errors.js";
import { type Attributes, attributesOf } from "./policy/attributes.js";
import { ipNetworkOf } from "./policy/ip-network.js";
import type { Counted } from "./policy/rule.js";
import type { ReservationTerms, Settlement } from "./stores/charge.js";

const attributeBytesMax = 1_024;
const moreMax = 3;
const idLengthMax = 64;
const idsMax = 1_024;
const ttlMsMax = 600_000;
const leaseMsMax = 3_600_000;

/** What can be spent; slots are held along with requests, so nobody asks for them. */
export type Spent = Exclude<Counted, "concurrent_requests">;

export interface Spend {
  readonly counts: Spent;
  readonly amount: number;
}

/** Who would spend what. */
export interface Spending {
  readonly attributes: Attributes;
  /** At least one, each unit once. */
  readonly spends: readonly Spend[];
}

interface SpendingMessage {
  readonly caller?: Caller | undefined;
  readonly unit: Unit;
  readonly amount: bigint;
  readonly more: readonly SpendMessage[];
}

export function readSpending({ caller, unit, amount, more }: SpendingMessage): Spending {
  const attributes = readCaller(caller);
  const spends = [readSpend({ unit, amount }, "")];
  if (more.length > moreMax) throw invalid("more", `expected at most ${moreMax}`);
  for (const [index, each] of more.entries()) {
    const field = `more[${index}].`;
    const spend = readSpend(each, field);
    if (spends.some((other) => other.counts === spend.counts)) {
      throw invalid(`${field}unit`, "named twice");
    }
    spends.push(spend);
  }
  return { attributes, spends };
}

export function readReservation(request: {
  readonly reservationId: string;
  readonly ttlMs: number;
}): ReservationTerms {
  const { reservationId: id, ttlMs } = request;
  requireId(id, "reservation_id");
  if (ttlMs < 1 || ttlMs > ttlMsMax) throw invalid("ttl_ms", `expected 1..${ttlMsMax}`);
  return { id, ttlMs };
}

/** Undefined for a caller that would hold nothing. */
export function readLease(request: {
  readonly leaseId: string;
  readonly leaseMs: number;
}): ReservationTerms | undefined {
  const { leaseId: id, leaseMs: ttlMs } = request;
  if (id === "" && ttlMs === 0) return undefined;
  requireId(id, "lease_id");
  if (ttlMs < 1 || ttlMs > leaseMsMax) throw invalid("lease_ms", `expected 1..${leaseMsMax}`);
  return { id, ttlMs };
}

export function missingLease(): MeshError {
  return invalid("lease_id", "needed, because limits on concurrent requests apply");
}

export function readCommit({ reservationIds, partial }: CommitRequest): readonly Settlement[] {
  const { length } = reservationIds;
  if (length + partial.length === 0) throw invalid("reservation_ids", idsExpected);
  if (length + partial.length > idsMax) throw invalid("reservation_ids", idsExpected);
  const keptMaxOf = readIds(reservationIds, Number.POSITIVE_INFINITY);
  for (const [index, { reservationId: id, amount }] of partial.entries()) {
    const field = `partial[${index}].reservation_id`;
    requireId(id, field);
    if (keptMaxOf.has(id)) throw invalid(field, "named twice");
    keptMaxOf.set(id, toAmount(amount));
  }
  return toSettlements(keptMaxOf);
}

export function readRelease(ids: readonly string[]): readonly Settlement[] {
  if (ids.length === 0 || ids.length > idsMax) throw invalid("reservation_ids", idsExpected);
  return toSettlements(readIds(ids, 0));
}

const idsExpected = `expected 1..${idsMax} ids`;

/** Each id once: settling is final, so a second mention means nothing. */
function readIds(ids: readonly string[], keptMax: number): Map<string, number> {
  const keptMaxOf = new Map<string, number>();
  for (const [index, id] of ids.entries()) {
    requireId(id, `reservation_ids[${index}]`);
    keptMaxOf.set(id, keptMax);
  }
  return keptMaxOf;
}

function toSettlements(keptMaxOf: ReadonlyMap<string, number>): readonly Settlement[] {
  const settlements: Settlement[] = [];
  for (const [id, keptMax] of keptMaxOf) settlements.push({ id, keptMax });
  return settlements;
}

function readCaller(caller: Caller | undefined): Attributes {
  if (caller === undefined || caller.ip === "") throw invalid("caller.ip", "missing");
  const network = ipNetworkOf(caller.ip);
  if (network === undefined) throw invalid("caller.ip", "expected an IPv4 or IPv6 address");
  requireShort(caller.apiKey, "caller.api_key");
  requireShort(caller.user, "caller.user");
  requireShort(caller.tier, "caller.tier");
  requireShort(caller.model, "caller.model");
  requireShort(caller.provider, "caller.provider");
  requireShort(caller.route, "caller.route");
  return attributesOf(caller, network);
}

function requireShort(text: string, field: string): void {
  // A character is one to three bytes, so most texts need no counting.
  if (text.length * 3 <= attributeBytesMax) return;
  if (text.length <= attributeBytesMax && Buffer.byteLength(text) <= attributeBytesMax) return;
  throw invalid(field, `expected at most ${attributeBytesMax} bytes`);
}

function readSpend(
  { unit, amount }: { readonly unit: Unit; readonly amount: bigint },
  prefix: string,
): Spend {
  if (unit === Unit.CONCURRENT_REQUESTS) {
    throw invalid(`${prefix}unit`, "charged together with UNIT_REQUESTS, never by itself");
  }
  const counts = spentOf.get(unit);
  if (counts === undefined) throw invalid(`${prefix}unit`, "not a unit");
  if (amount < 1n) throw invalid(`${prefix}amount`, "expected at least 1");
  return { counts, amount: toAmount(amount) };
}

const spentOf: ReadonlyMap<Unit, Spent> = new Map([
  [Unit.REQUESTS, "requests"],
  [Unit.TOKENS, "tokens"],
]);
const amountMax = BigInt(Number.MAX_SAFE_INTEGER);

/** No quota comes near the largest whole number, so all beyond it are equally too much. */
function toAmount(amount: bigint): number {
  return Number(amount > amountMax ? amountMax : amount);
}

function requireId(id: string, field: string): void {
  if (id !== "" && id.length <= idLengthMax) return;
  throw invalid(field, `expected 1..${idLengthMax} characters`);
}

export function invalid(field: string, description: string): MeshError {
  return new MeshError("invalid", `${field}: ${description}`, { fields: [{ field, description }] });
}
