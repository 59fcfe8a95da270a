/** One of the items, each in the share of its weight; undefined when no weight is above 0. */
export function pickWeighted<T extends { readonly weight: number }>(
  items: readonly T[],
  random: () => number,
): T | undefined {
  let at = random() * items.reduce((sum, { weight }) => sum + weight, 0);
  return items.find(({ weight }) => {
    at -= weight;
    return at < 0;
  });
}
