// Owns: the executor that does nothing, for measuring, for tests of a schedule and for waiting. Payload: {duration_ms?, fail?, data?}.

import type { System } from "../system.ts";
import { limits } from "../limits.ts";
import type { Executor, RunContext, RunOutcome } from "./executor.ts";
import { failedWith, succeeded } from "./executor.ts";
import { payloadFields, unprocessable } from "./payload.ts";

type NoopPayload = { readonly durationMs: number; readonly failuresMax: number };

/** `fail: true` fails every attempt, `fail: n` the first n. `data` is not looked at: it gives a job the size that others have. */
export function noopExecutor(system: System): Executor {
  return {
    type: "noop",
    instant: true,
    validate: (payload) => void parse(payload),
    run(context) {
      const { durationMs, failuresMax } = parse(context.payload);
      const outcome = context.attempt <= failuresMax ? failedWith("noop asked to fail") : succeeded;
      return durationMs === 0 ? outcome : afterDelay(system, context, durationMs, outcome);
    },
  };
}

function parse(payload: unknown): NoopPayload {
  const { duration_ms: duration = 0, fail = false } = payloadFields(payload, ["duration_ms", "fail", "data"]);
  if (!isCount(duration) || duration > limits.timeoutMaxMs) {
    throw unprocessable("payload.duration_ms", `expected whole milliseconds from 0 to ${limits.timeoutMaxMs}`);
  }
  if (typeof fail !== "boolean" && !isCount(fail)) {
    throw unprocessable("payload.fail", "expected true, false or the number of attempts that shall fail");
  }
  return { durationMs: duration, failuresMax: fail === true ? Number.POSITIVE_INFINITY : Number(fail) };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function afterDelay(system: System, context: RunContext, delayMs: number, outcome: RunOutcome): Promise<RunOutcome> {
  const endAtMs = system.monotonicMs() + delayMs;
  return new Promise((resolve) => {
    const look = (): void => {
      const leftMs = endAtMs - system.monotonicMs();
      if (leftMs <= 0) resolve(outcome);
      else timer = system.after(leftMs, look);
    };
    let timer = system.after(delayMs, look);
    context.signal.addEventListener("abort", () => {
      timer.cancel();
      resolve(failedWith("stopped before its duration had passed"));
    }, { once: true });
  });
}
