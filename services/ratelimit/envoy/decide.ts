import type { Ask, Asked } from "./ask.js";
import { type Counters, chargeGroup, type Group, giveBack, type Verdict } from "./charge-group.js";

export interface Ruling {
  /** Whether the request is refused, unless all requests pass. */
  readonly isOver: boolean;
  /** Whether there are quotas, and none has room. */
  readonly areQuotasOver: boolean;
  /** One for each ask. */
  readonly verdicts: ReadonlyMap<Ask, Verdict>;
}

/**
 * Spends what is enforced together or not at all, and only then what is in quota or shadow mode, each by itself. Where
 * there are both limits and quotas, the quotas are looked at before: nothing is spent for a request that none of them
 * takes.
 */
export async function decide(asked: readonly Asked[], counters: Counters): Promise<Ruling> {
  const verdicts = new Map<Ask, Verdict>();
  const { enforced, ...others } = divide(asked);
  const group = { asks: enforced, counters, verdicts };
  if (others.quotas.length + others.shadows.length + others.returned.length > 0) {
    return await decideAll(group, others);
  }
  const isOver = enforced.length > 0 && !(await chargeGroup(group, "spend"));
  return { isOver, areQuotasOver: false, verdicts };
}

async function decideAll(
  group: Group & Pick<Ruling, "verdicts">,
  { quotas, shadows, returned }: Omit<Divided, "enforced">,
): Promise<Ruling> {
  const { asks: enforced, verdicts } = group;
  const each = (asks: readonly Ask[], act: "peek" | "spend") =>
    Promise.all(asks.map((ask) => chargeGroup({ ...group, asks: [ask] }, act)));
  const areOver = () =>
    quotas.length > 0 && quotas.every((ask) => verdicts.get(ask)?.isOver === true);

  if (returned.length > 0) await giveBack({ ...group, asks: returned });
  if (enforced.length > 0) await each(quotas, "peek");
  const isShut = areOver();
  const isOver = enforced.length > 0 && !(await chargeGroup(group, isShut ? "peek" : "spend"));
  await each([...quotas, ...shadows], isOver || isShut ? "peek" : "spend");
  return { isOver: isOver || areOver(), areQuotasOver: areOver(), verdicts };
}

type Divided = Readonly<Record<"enforced" | "quotas" | "shadows" | "returned", readonly Ask[]>>;

function divide(asked: readonly Asked[]): Divided {
  const enforced: Ask[] = [];
  const quotas: Ask[] = [];
  const shadows: Ask[] = [];
  const returned: Ask[] = [];
  const byMode = { enforced, quota: quotas, shadow: shadows };
  for (const ask of asked) {
    if (typeof ask === "string") continue;
    if (ask.isGivenBack) returned.push(ask);
    else byMode[ask.mode].push(ask);
  }
  return { enforced, quotas, shadows, returned };
}
