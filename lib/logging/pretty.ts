/** Makes a line for people of a line of JSON. */
export type Prettify = (line: string) => string;

/** pino-pretty, which is loaded only where people read. */
export async function createPrettify(isColored: boolean): Promise<Prettify> {
  const { prettyFactory } = await import("pino-pretty");
  return prettyFactory({
    colorize: isColored,
    singleLine: true,
    messageKey: "message",
    translateTime: "SYS:HH:MM:ss.l",
    // A stack is read line by line.
    ignore: "cause",
    messageFormat: ({ message, cause }) =>
      cause === undefined ? String(message) : `${String(message)}\n${String(cause)}\n`,
  });
}
