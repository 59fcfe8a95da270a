// A reporter of node's test runner: only what failed, so that it can be read without what passed.

// biome-ignore lint/style/noDefaultExport: this is how node finds a reporter.
export default async function* failedTests(events) {
  for await (const { type, data } of events) {
    if (type !== "test:fail" || data.todo || isOfSubtests(data)) continue;
    const { cause = data.details.error } = data.details.error;
    yield `\n${data.file ?? ""}:${data.line ?? ""} ${data.name}\n${cause.stack ?? cause}\n`;
  }
}

/** Whether all that is wrong with it is that one within it failed, which is told by itself. */
function isOfSubtests({ details }) {
  return details.error.failureType === "subtestsFailed";
}
