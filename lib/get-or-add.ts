/** The value of a key; made and kept if there is none yet. */
export function getOrAdd<K, V>(
  map: { get(key: K): V | undefined; set(key: K, value: V): unknown },
  key: K,
  create: () => NoInfer<V>,
): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const created = create();
  map.set(key, created);
  return created;
}

/** For `getOrAdd` of a map in a map. */
export function newMap<K, V>(): Map<K, V> {
  return new Map();
}
