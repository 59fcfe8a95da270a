/** Whether a name may be a folder of a repository and stand in an address: letters, digits, `_`, `.`, `-`. */
export function isModelName(name: string): boolean {
  return /^[A-Za-z0-9][\w.-]{0,127}$/.test(name) && !name.includes("..");
}
