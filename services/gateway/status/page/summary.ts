import type { Level } from "./data-table.js";
import type { BreakerStateJson, ProcessJson } from "./status-json.js";

/** The state of the mesh in a sentence. */
export function summaryOf(processes: readonly ProcessJson[]): {
  readonly level: Level;
  readonly text: string;
} {
  const roles = [...new Set(processes.flatMap((process) => process.roles))];
  const down = roles.map((role) => downOf(role, processes)).filter((text) => text !== "");
  const troubles = processes.filter(({ answering }) => answering).flatMap(troublesOf);
  if (down.length > 0) return { level: "bad", text: sentencesOf([...down, ...troubles]) };
  if (troubles.length > 0) return { level: "warn", text: sentencesOf(troubles) };
  const count = processes.length;
  const where = count === 1 ? "in one process" : `in ${count} processes`;
  return { level: "good", text: `All is well: ${listOf(roles)} ${where}` };
}

function downOf(role: string, processes: readonly ProcessJson[]): string {
  const own = processes.filter(({ roles }) => roles.includes(role));
  const silent = own.filter(({ answering }) => !answering);
  if (silent.length === 0) return "";
  if (silent.length < own.length)
    return `${silent.length} of ${own.length} processes of ${role} do not answer`;
  return `${role} is down`;
}

function troublesOf({ roles, ready, models, breakers }: ProcessJson): string[] {
  return [
    ...(ready ? [] : [`${roles[0]} is not ready`]),
    ...models
      .filter(({ healthy }) => !healthy)
      .map(({ name }) => `workers of ${name} do not answer`),
    ...breakers.flatMap(({ name, state }) => {
      const words = breakerTroubles[state];
      return words === undefined ? [] : [`the breaker of ${name} ${words}`];
    }),
  ];
}

const breakerTroubles: Readonly<Partial<Record<BreakerStateJson, string>>> = {
  BREAKER_STATE_OPEN: "is open",
  BREAKER_STATE_HALF_OPEN: "tries whether it can close",
};

function sentencesOf(parts: readonly string[]): string {
  const text = [...new Set(parts)].join("; ");
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

function listOf(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
