/** Values of one label that are told apart. */
export const labelValuesMax = 256;
const otherValue = "other";

/** What is counted for each value of a label; values beyond the bound are counted together, as `other`. */
export class ByLabel<T> {
  readonly #counted = new Map<string, T>();
  readonly #create: (value: string) => T;

  constructor(create: (value: string) => T) {
    this.#create = create;
  }

  entries(): Iterable<readonly [string, T]> {
    return this.#counted;
  }

  of(value: string): T {
    return this.#counted.get(value) ?? this.#add(value);
  }

  #add(value: string): T {
    if (value !== otherValue && this.#counted.size >= labelValuesMax) return this.of(otherValue);
    const counted = this.#create(value);
    this.#counted.set(value, counted);
    return counted;
  }
}
