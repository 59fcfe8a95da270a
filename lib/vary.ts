/** Names another header of the request on which the answer depends, next to those that are named already. */
export function addVary(
  response: {
    getHeader(name: string): string | number | readonly string[] | undefined;
    setHeader(name: string, value: string): unknown;
  },
  header: string,
): void {
  const named = response.getHeader("vary");
  if (named === undefined) response.setHeader("vary", header);
  else if (!String(named).includes(header)) response.setHeader("vary", `${named}, ${header}`);
}
