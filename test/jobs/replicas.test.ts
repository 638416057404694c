// Replicas that restarted and one that never did hold the same state, give the same numbers and write the same history (H2, H14).

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Command } from "../../src/jobs/command.ts";
import { ResultWriter, resultOutcome } from "../../src/jobs/items.ts";
import { everySecond, at, entryOf, fieldsOf, hourly, Machine, NOON, planOf, SECOND, spec } from "./machine.ts";
import { applyEntry } from "../../src/jobs/apply.ts";
import type { JobSpec } from "../../src/jobs/spec.ts";

const ids = ["a", "b"];
const specs: readonly JobSpec[] = [
  spec(everySecond), spec(hourly, { overlap: "skip" }), spec(at(NOON)), spec(at(NOON), { delivery: "at_most_once" }),
  spec(everySecond, { priority: "high" }),
];
const words = [
  "create", "update", "cancel", "pause", "resume", "trigger", "due", "due", "due", "last", "start", "start", "completed", "failed",
  "timeout", "notStarted", "cancelExecution", "up", "lost", "range", "unsure", "restored", "dropHistory", "forget",
] as const;
type Step = { readonly word: (typeof words)[number]; readonly job: number; readonly pick: number; readonly restart: boolean };

/** The command that a step makes of the state, undefined where it makes none. */
function commandOf(machine: Machine, { word, job, pick }: Step): Command | undefined {
  const jobId = ids[job] as string;
  const ref = machine.ref(jobId);
  const key = undefined;
  const { state } = machine;
  const made = specs[pick % specs.length] as JobSpec;
  const nextDueMs = machine.clockMs + (pick + 1) * SECOND;
  const due = state.jobs.dueAtMs[ref.job] as number;
  const spare = pick % 3 === 0 ? 0 : (state.nodes.rows.find((row) => row.session !== 0)?.session ?? 0);
  const slots: number[] = [];
  for (let slot = state.live.pool.nextUsed(0); slot !== 0; slot = state.live.pool.nextUsed(slot)) slots.push(slot);
  const slot = slots[pick % Math.max(1, slots.length)] ?? 0;
  switch (word) {
    case "create": return { kind: "create", key, jobId, nextDueMs, ...fieldsOf(made) };
    case "update": return { kind: "update", key, ref, nextDueMs, reschedule: pick % 2 === 0, ...fieldsOf(made) };
    case "cancel": return { kind: "cancel", key, ref, jobId: "job", cancelRunning: pick % 2 === 0 };
    case "pause": return { kind: "pause", key, ref, specJson: fieldsOf({ ...made, paused: true }).specJson };
    case "resume": return { kind: "resume", key, ref, nextDueMs: pick % 4 === 0 ? 0 : nextDueMs, specJson: fieldsOf(made).specJson };
    case "trigger": return { kind: "trigger", key, ref };
    case "due": return { kind: "plan", items: planOf((out) => out.due(ref.job, ref.generation, ref.revision, due, due + SECOND, spare)) };
    case "last": return { kind: "plan", items: planOf((out) => out.due(ref.job, ref.generation, ref.revision, due, 0, spare)) };
    case "range": {
      const { job: row, generation, revision } = ref;
      return { kind: "plan", items: planOf((out) => out.range(row, generation, revision, due, due + SECOND, 2, due + 2 * SECOND)) };
    }
    case "unsure": {
      const { job: row, generation, revision } = ref;
      return { kind: "plan", items: planOf((out) => out.unsure(row, generation, revision, due, due + SECOND, 2, due + 2 * SECOND)) };
    }
    case "restored": return pick > 2 ? undefined : restoredOf(machine, pick);
    case "dropHistory": return { kind: "dropHistory", beforeDay: Math.floor(NOON / 86_400_000) + pick - 8 };
    case "forget": return { kind: "forget", keys: [...machine.cold.under("ended/"), ...machine.cold.under("left/")] };
    case "start": {
      const { sequence, attempt } = state.live;
      return { kind: "plan", items: planOf((out) => out.start(slot, sequence[slot] ?? 0, attempt[slot] ?? 0, spare)) };
    }
    case "cancelExecution": return { kind: "cancelExecution", key, sequence: state.live.sequence[slot] ?? 0 };
    case "up": return upOf(machine, `n${pick % 3}`);
    case "lost": return { kind: "nodeLost", session: spare };
    default: return resultOf(machine, slot, word);
  }
}

function restoredOf(machine: Machine, pick: number): Command {
  const reason = pick === 0 ? "forced" : "restore";
  const { clockMs, state } = machine;
  const tokenFloor = state.tokenCounter + 64;
  return { kind: "restored", reason, clusterId: `c${pick}`, atMs: clockMs + pick * SECOND, catchUp: pick === 1, tokenFloor };
}

function resultOf(machine: Machine, slot: number, word: "completed" | "failed" | "timeout" | "notStarted"): Command {
  const { live } = machine.state;
  const writer = new ResultWriter();
  const error = word === "failed" ? "no" : "";
  const retryAtMs = machine.clockMs + (slot % 2) * SECOND;
  writer.add(live.sequence[slot] ?? 0, live.token[slot] ?? 0, resultOutcome[word], NOON, NOON, retryAtMs, error);
  return { kind: "results", items: writer.take() };
}

function upOf(machine: Machine, node: string): Command {
  const { live, nodes } = machine.state;
  const session = nodes.find(node)?.session ?? 0;
  const held = [];
  for (let slot = live.pool.nextUsed(0); slot !== 0; slot = live.pool.nextUsed(slot)) {
    if (live.session[slot] !== session || slot % 2 === 1) continue;
    held.push({ sequence: live.sequence[slot] as number, token: live.token[slot] as number });
  }
  return { kind: "nodeUp", node, incarnation: 1, slots: 3, tags: [], held };
}

/** Live rows that are queued, running, retrying and cancelling, looked through one by one. */
function rowsByState({ state: { live } }: Machine): number[] {
  const found = [0, 0, 0, 0];
  for (let slot = live.pool.nextUsed(0); slot !== 0; slot = live.pool.nextUsed(slot)) {
    const at = (live.state[slot] as number) - 1;
    found[at] = (found[at] as number) + 1;
  }
  return found;
}

const steps = fc.array(
  fc.record({
    word: fc.constantFrom(...words), job: fc.integer({ min: 0, max: 1 }), pick: fc.integer({ min: 0, max: 12 }),
    restart: fc.integer({ min: 0, max: 5 }).map((draw) => draw === 0),
  }),
  { minLength: 100, maxLength: 160, size: "max" },
);

for (const seed of [1, 2, 3]) {
  test(`H2a, H14: a replica that restarts at any time stays equal to one that never does (seed ${seed})`, () => {
    fc.assert(
      fc.property(steps, (list) => {
        const steady = new Machine();
        let other = new Machine();
        const history: unknown[] = [];
        for (const each of list) {
          steady.clockMs += 300;
          const command = commandOf(steady, each);
          const data = entryOf(command ? [command] : [], steady.clockMs);
          const replies = applyEntry(steady.state, steady.state.appliedIndex + 1, data);
          assert.deepEqual(applyEntry(other.state, other.state.appliedIndex + 1, data), replies);
          history.push(...other.history.splice(0));
          other.clockMs = steady.clockMs;
          if (each.restart) other = other.restarted();
        }
        assert.deepEqual(history, steady.history);
        assert.deepEqual(other.image(), steady.image());
        for (const machine of [steady, other]) assert.deepEqual([...machine.state.live.counts].slice(1), rowsByState(machine));
      }),
      { seed, numRuns: 40, endOnFailure: true },
    );
  });
}
