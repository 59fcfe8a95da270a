import { deepEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import { termsOf } from "./promql.js";

test("a query's metrics, labels, groupings and made labels are found", () => {
  const query =
    'sum by (job, le) (rate(a:b{x=~"y", z!="1"}[5m])) / on (job) group_left (role) c{} ' +
    'or label_replace(d, "made", "by hand", "", "")';
  deepEqual(termsOf(query), {
    selectors: [
      { metric: "a:b", labels: ["x", "z"] },
      { metric: "c", labels: [] },
      { metric: "d", labels: [] },
    ],
    groupings: ["job", "le", "job", "role"],
    made: ["made"],
  });
});

test("what is not PromQL is refused", () => {
  for (const query of ["sum(", "rate(a[5m]", "a{b=}", "sum by job (a)"]) {
    throws(() => termsOf(query), /not PromQL/, query);
  }
});
