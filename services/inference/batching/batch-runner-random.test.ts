// Calls under random workers, callers and faults: each ends exactly once, and never with another call's numbers.

import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { Priority } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import { MeshError } from "../../../lib/errors.js";
import { createRunner } from "../../../test/support/batch-runner.js";
import { sumAndCount, turn } from "../../../test/support/fake-engine.js";
import { float32Tensor, rowOf, workOptions } from "../../../test/support/inference.js";
import { seeded } from "../../../test/support/random.js";

type Random = ReturnType<typeof seeded>;

const queueMsMax = 1_000;

/** Submits calls and remembers what may become of each of them. */
class World {
  readonly #random: Random;
  readonly #mesh = createRunner(3, { queueMax: 60, queueMsMax });
  /** Callers that may leave, until their call has ended. */
  readonly #leaving = new Map<number, () => void>();
  readonly #checks: Promise<void>[] = [];
  #submitted = 0;
  #ended = 0;
  /** Faults that some batch or worker had; before that, no call may end in one. */
  readonly #faults = new Set(["overloaded"]);
  readonly outcomes: Record<string, number> = {};

  constructor(random: Random) {
    this.#random = random;
  }

  async step(): Promise<void> {
    const { engine, clock } = this.#mesh;
    const index = this.#random.int(Math.max(1, engine.runningCount));
    engine.isRevocable = this.#random.int(4) > 0;
    const acts: (() => unknown)[] = [
      () => this.#submit(),
      () => this.#submit(),
      () => this.#submit(),
      () => this.#submitTensors(),
      () => this.#leave(),
      () => this.#leave(),
      () => engine.finish(index, this.#random.int(30)),
      () => engine.finish(index),
      () => engine.finish(index),
      () => engine.finish(index),
      () => turn(),
      () => clock.moveTo(clock.nowMs() + this.#random.int(100)),
    ];
    const rare: (() => unknown)[] = [
      () => this.#allow("unavailable", () => engine.lose(index)),
      () => this.#allow("internal", () => engine.fail(new Error("no"), index)),
      () => this.#allow("unavailable", () => clock.moveTo(clock.nowMs() + queueMsMax)),
      () => {
        engine.workersUp = this.#random.int(4);
        engine.onFree();
      },
    ];
    await this.#random.pick(this.#random.int(12) === 0 ? rare : acts)();
  }

  /** Lets everything end, and checks that it did. */
  async end(): Promise<void> {
    const { engine, runner } = this.#mesh;
    engine.workersUp = 3;
    engine.onFree();
    await turn();
    await engine.drain();
    await Promise.all(this.#checks);
    equal(this.#ended, this.#submitted);
    deepEqual([runner.queueLength, engine.runningCount, this.#leaving.size], [0, 0, 0]);
    runner.close();
  }

  async #allow(fault: string, act: () => Promise<void>): Promise<void> {
    this.#faults.add(fault);
    await act();
  }

  #options(id: number) {
    const controller = new AbortController();
    this.#leaving.set(id, () => controller.abort(new MeshError("cancelled", `call ${id} left`)));
    return workOptions({
      signal: controller.signal,
      caller: this.#random.pick(["a", "b", "c"]),
      priority: this.#random.pick([Priority.INTERACTIVE, Priority.BULK]),
    });
  }

  #submit(): void {
    const id = this.#submitted;
    this.#submitted += 1;
    // No two calls have an id in common, so that a row of another call gives itself away.
    const rows = Array.from({ length: 1 + this.#random.int(10) }, (_, row) =>
      new Array<number>(1 + this.#random.int(20)).fill(id * 100 + row),
    );
    const answers = new Map<number, number[]>();
    let hasEnded = false;
    const call = this.#mesh.runner.run(
      rows.map((ids) => rowOf(ids)),
      this.#options(id),
      (row, values) => {
        ok(!hasEnded, "a row came after its call had ended");
        ok(!answers.has(row), "a row came twice");
        answers.set(row, [...values]);
      },
    );
    this.#check(id, call, () => {
      for (const [row, ids] of rows.entries()) deepEqual(answers.get(row), sumAndCount(ids));
    });
    void call
      .catch(() => undefined)
      .then(() => {
        hasEnded = true;
      });
  }

  #submitTensors(): void {
    const id = this.#submitted;
    this.#submitted += 1;
    const inputs = [float32Tensor("x", [1], [id])];
    const call = this.#mesh.runner.runTensors(
      { kind: "tensors", inputs, outputNames: [] },
      this.#options(id),
    );
    this.#check(id, call, (outputs) => deepEqual(outputs, inputs));
  }

  #check<T>(id: number, call: Promise<T>, isRight: (answer: T) => void): void {
    const ended = (outcome: string): void => {
      this.#ended += 1;
      this.#leaving.delete(id);
      this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + 1;
    };
    const check = call.then(
      (answer) => {
        ended("answered");
        isRight(answer);
      },
      (error: MeshError) => {
        ended(error.fault);
        if (error.fault === "cancelled") equal(error.message, `call ${id} left`);
        else ok(this.#faults.has(error.fault), String(error.stack));
      },
    );
    this.#checks.push(check);
  }

  #leave(): void {
    const callers = [...this.#leaving.values()];
    if (callers.length > 0) this.#random.pick(callers)();
  }
}

test("every call ends exactly once, and never with another call's numbers", async (t) => {
  const random = seeded(t);
  const outcomes: Record<string, number> = {};
  for (let round = 0; round < 40; round += 1) {
    const world = new World(random);
    for (let step = 0; step < 300; step += 1) await world.step();
    await world.end();
    for (const [outcome, count] of Object.entries(world.outcomes)) {
      outcomes[outcome] = (outcomes[outcome] ?? 0) + count;
    }
  }
  t.diagnostic(JSON.stringify(outcomes));
  const faults = ["answered", "cancelled", "internal", "overloaded", "unavailable"];
  deepEqual(Object.keys(outcomes).sort(), faults);
});
