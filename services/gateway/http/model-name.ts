import type { ModelName } from "../operations/order.js";

/** `model`, or `model@version`, in bodies that have no other place for a version. Undefined: the default model. */
export function readModelName(name = ""): ModelName {
  const at = name.indexOf("@");
  if (at < 0) return { model: name, version: "" };
  return { model: name.slice(0, at), version: name.slice(at + 1) };
}
