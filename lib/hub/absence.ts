/** The rejection handler for a path that need not exist: undefined for that, and every other error again. */
export function ignoreAbsence(error: unknown): undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code !== "ENOENT" && code !== "ENOTDIR") throw error;
}
