/**
 * Applies `map` to what arrives, up to `inFlightMax` at once, and yields results in the order of arrival, each as
 * soon as it and all before it are there. `map` must not reject.
 */
export async function* mapOrdered<T, R>(
  source: AsyncIterable<T>,
  inFlightMax: number,
  map: (item: T, index: number) => Promise<R>,
): AsyncGenerator<R> {
  const iterator = source[Symbol.asyncIterator]();
  const running: Promise<R>[] = [];
  let arriving: Promise<IteratorResult<T>> | undefined;
  let index = 0;
  let isOver = false;
  while (!isOver || running.length > 0) {
    if (!isOver && running.length < inFlightMax) arriving ??= iterator.next();
    const next = await firstOf(running[0], arriving);
    if (next.kind === "finished") {
      running.shift();
      yield next.value;
    } else {
      arriving = undefined;
      if (next.value.done === true) isOver = true;
      else running.push(map(next.value.value, index++));
    }
  }
}

type Next<T, R> =
  | { readonly kind: "finished"; readonly value: R }
  | { readonly kind: "arrived"; readonly value: IteratorResult<T> };

/** A finished result goes first, so that readers are never kept waiting by a busy source. */
function firstOf<T, R>(
  finishing: Promise<R> | undefined,
  arriving: Promise<IteratorResult<T>> | undefined,
): Promise<Next<T, R>> {
  const contenders: Promise<Next<T, R>>[] = [];
  if (finishing !== undefined)
    contenders.push(finishing.then((value) => ({ kind: "finished", value })));
  if (arriving !== undefined)
    contenders.push(arriving.then((value) => ({ kind: "arrived", value })));
  return Promise.race(contenders);
}
