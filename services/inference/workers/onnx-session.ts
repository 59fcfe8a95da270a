import { InferenceSession } from "onnxruntime-node";
import { sessionOptions } from "./session-options.js";

export interface OpenedSession {
  readonly session: InferenceSession;
  /** The provider that took it: "cpu", "cuda:0". */
  readonly device: string;
  /** Why it runs on a later provider than the first one. */
  readonly fallbackReason: string | undefined;
}

/** Opens a model on the first execution provider of the list that works here. */
export async function openSession(
  file: string,
  options: {
    readonly threads: number;
    readonly providers: readonly string[];
    readonly deviceId: number;
  },
): Promise<OpenedSession> {
  const failures: string[] = [];
  for (const [index, provider] of options.providers.entries()) {
    try {
      const session = await InferenceSession.create(file, {
        ...sessionOptions(file, options.threads, provider),
        // What a provider cannot run goes to those after it.
        executionProviders: options.providers
          .slice(index)
          .map((name) => (name === "cpu" ? name : { name, deviceId: options.deviceId })),
      });
      return {
        session,
        device: provider === "cpu" ? provider : `${provider}:${options.deviceId}`,
        fallbackReason: failures.length === 0 ? undefined : failures.join("; "),
      };
    } catch (error) {
      failures.push(`${provider}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(failures.join("; "));
}
