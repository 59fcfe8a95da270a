import type { Ask, Asked } from "./ask.js";
import { chargeGroup, type Group, giveBack, type Verdicts } from "./charge-group.js";

export interface Ruling {
  /** Whether the request is refused, unless all requests pass. */
  readonly isOver: boolean;
  /** Whether there are quotas, and none has room. */
  readonly areQuotasOver: boolean;
  readonly verdicts: Verdicts;
}

/**
 * Spends what is enforced together or not at all, and only then what is in quota or shadow mode, each by itself. Where
 * there are both limits and quotas, the quotas are looked at before: nothing is spent for a request that none of them
 * takes.
 */
export async function decide(
  asked: readonly Asked[],
  deps: Pick<Group, "counters" | "trace">,
): Promise<Ruling> {
  const { counters, trace } = deps;
  if (!asked.every(isEnforced)) return await decideByMode(divide(asked), deps);
  const group: Group = { asks: asked, counters, trace, verdicts: [] };
  const isOver = !(await chargeGroup(group, "spend"));
  return { isOver, areQuotasOver: false, verdicts: group.verdicts };
}

async function decideByMode(
  { enforced, quotas, shadows, returned }: Divided,
  deps: Pick<Group, "counters" | "trace">,
): Promise<Ruling> {
  const group: Group = { ...deps, asks: enforced, verdicts: [] };
  const { verdicts } = group;
  const each = (asks: readonly Ask[], act: "peek" | "spend") =>
    Promise.all(asks.map((ask) => chargeGroup({ ...group, asks: [ask] }, act)));
  const areOver = () =>
    quotas.length > 0 && quotas.every((ask) => verdicts[ask.index]?.isOver === true);

  if (returned.length > 0) await giveBack({ ...group, asks: returned });
  if (enforced.length > 0) await each(quotas, "peek");
  const isShut = areOver();
  const isOver = enforced.length > 0 && !(await chargeGroup(group, isShut ? "peek" : "spend"));
  await each([...quotas, ...shadows], isOver || isShut ? "peek" : "spend");
  return { isOver: isOver || areOver(), areQuotasOver: areOver(), verdicts };
}

type Divided = Readonly<Record<"enforced" | "quotas" | "shadows" | "returned", readonly Ask[]>>;

function divide(asked: readonly Asked[]): Divided {
  const asks = asked.filter((ask) => typeof ask !== "string");
  const spent = asks.filter(({ isGivenBack }) => !isGivenBack);
  return {
    enforced: spent.filter(isEnforced),
    quotas: spent.filter(({ mode }) => mode === "quota"),
    shadows: spent.filter(({ mode }) => mode === "shadow"),
    returned: asks.filter(({ isGivenBack }) => isGivenBack),
  };
}

/** What nearly every request is made of. */
function isEnforced(ask: Asked): ask is Ask {
  return typeof ask !== "string" && !ask.isGivenBack && ask.mode === "enforced";
}
