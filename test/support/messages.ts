/** Messages as a stream brings them. */
export async function* each<T>(messages: Iterable<T>): AsyncGenerator<T> {
  yield* messages;
}

/** All that a stream answers. */
export async function collect<T>(answers: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const answer of answers) all.push(answer);
  return all;
}
