// Owns: plays of what ages out, in a whole simulated cluster: all nodes drop the same records, firing goes on meanwhile, and who asks for
// one of them is told so.

import assert from "node:assert/strict";
import { test } from "node:test";
import { executionId } from "../../src/base/token.ts";
import { PawlError } from "../../src/base/errors.ts";
import { RETENTION_DAYS } from "./node.ts";
import type { SimNode } from "./node.ts";
import { recordsAgree } from "./records.ts";
import { Simulation } from "./run.ts";

const DAY_MS = 86_400_000;

test("H10f: days go on all nodes at once, and an execution of them is gone, not unknown", async () => {
  const simulation = new Simulation({ seed: 31, nodes: 3, faults: [] });
  const { nodes, judge } = simulation;
  await simulation.begin();
  await simulation.until(8_000);
  const { state } = judge.reference;
  const [first] = judge.reference.allRecords.filter(({ sequence }) => sequence !== 0);
  assert.ok(first);
  for (const node of nodes) node.setWall((RETENTION_DAYS + 3) * DAY_MS, 0);
  const before = state.lastOrdinal;
  await simulation.until(25_000);
  assert.ok(state.historyFromDay > 0, "days were dropped");
  assert.ok(state.lastOrdinal > before + 20, "firing goes on");
  assert.ok(judge.reference.allRecords.every(({ ordinal }) => ordinal > first.ordinal), "the first record has aged out");
  for (const node of nodes) assert.equal(await codeOf(simulation, node, executionId(state.idSpace, first.sequence)), "gone", node.id);
  for (const node of nodes) assert.equal(await codeOf(simulation, node, executionId(state.idSpace, 10 ** 6)), "unknown", node.id);
  while (nodes.some(({ assembled }) => assembled?.replica.state.appliedIndex !== state.appliedIndex)) {
    await simulation.until(simulation.world.nowMs + 7);
  }
  recordsAgree(nodes, false, judge.reference.allRecords);
});

/** What a node answers about an execution. */
async function codeOf(simulation: Simulation, node: SimNode, id: string): Promise<string> {
  let code = "nothing";
  const asked = node.ask({ kind: "execution", executionId: id }, "stale");
  void asked.then(
    ({ answer }) => (code = answer.kind === "execution" && answer.execution ? "there" : "unknown"),
    (error: unknown) => (code = error instanceof PawlError ? error.code : String(error)),
  );
  await simulation.until(simulation.world.nowMs + 50);
  return code;
}
