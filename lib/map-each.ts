/** What arrives, each with `map` applied to it. */
export async function* mapEach<T, R>(
  source: AsyncIterable<T>,
  map: (item: T) => R,
): AsyncGenerator<R> {
  for await (const item of source) yield map(item);
}
