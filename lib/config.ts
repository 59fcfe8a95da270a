import { z } from "zod";

/** One environment variable: how it is named, explained, parsed and defaulted. */
export interface Field<T> {
  readonly env: string;
  readonly doc: string;
  readonly parse: z.ZodType<T, string>;
  /** Absent means the variable is required; undefined means it may be missing. */
  readonly fallback?: T;
}

export type Schema = Readonly<Record<string, Field<unknown>>>;
export type ConfigOf<S extends Schema> = {
  readonly [K in keyof S]: z.output<S[K]["parse"]> | FallbackOf<S[K]>;
};
/** Only a fallback of undefined widens the type of a field. */
type FallbackOf<F> = F extends { readonly fallback: undefined } ? undefined : never;

/** Reads every field, then reports all problems at once: a deploy should fail one time, not five. */
export function readConfig<const S extends Schema>(schema: S, env: NodeJS.ProcessEnv): ConfigOf<S> {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [name, field] of Object.entries(schema)) {
    const raw = env[field.env]?.trim();
    if (raw !== undefined && raw !== "") {
      const parsed = field.parse.safeParse(raw);
      if (parsed.success) values[name] = parsed.data;
      else problems.push(`${field.env}: ${parsed.error.issues.map((i) => i.message).join("; ")}`);
    } else if ("fallback" in field) {
      values[name] = field.fallback;
    } else {
      problems.push(`${field.env} is required (${field.doc})`);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  // Every key of the schema was set just above, with the type its parser promises.
  return Object.freeze(values) as ConfigOf<S>;
}

/** Several schemas at once; problems of all of them are reported together. */
export function readConfigs<const S extends Readonly<Record<string, Schema>>>(
  schemas: S,
  env: NodeJS.ProcessEnv,
): { readonly [K in keyof S]: ConfigOf<S[K]> } {
  const configs: Record<string, unknown> = {};
  const problems = new Set<string>();
  for (const [name, schema] of Object.entries(schemas)) {
    try {
      configs[name] = readConfig(schema, env);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      for (const problem of error.problems) problems.add(problem);
    }
  }
  if (problems.size > 0) throw new ConfigError([...problems]);
  // Each schema was read into its own name just above.
  return configs as { readonly [K in keyof S]: ConfigOf<S[K]> };
}

/** A configuration that cannot be used; its message lists every problem. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`bad configuration\n  ${problems.join("\n  ")}`);
    this.problems = problems;
  }
}

export function integer(range: { readonly min: number; readonly max: number }) {
  const message = `expected an integer in ${range.min}..${range.max}`;
  return z
    .string()
    .regex(/^-?\d+$/, message)
    .transform(Number)
    .refine((value) => value >= range.min && value <= range.max, message);
}

export function flag() {
  return z
    .enum(["true", "false", "1", "0"], { message: "expected true or false" })
    .transform((raw) => raw === "true" || raw === "1");
}

export function text() {
  return z.string();
}

export function oneOf<const T extends string>(values: readonly T[]) {
  return z.enum(values as [T, ...T[]], { message: `expected one of ${values.join(", ")}` });
}

/** A comma-separated list. */
export function list() {
  return z.string().transform((raw) =>
    raw
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== ""),
  );
}

/** A value that prints as `[secret]`; only `reveal()` gives it up. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toJSON(): string {
    return "[secret]";
  }
}

export function secret() {
  return z.string().transform((raw) => new Secret(raw));
}
