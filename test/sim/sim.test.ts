// Owns: the simulator in the default test run: 100 seeds, the same run from the same seed, and plays of rules that need a whole cluster.

import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { describe, it } from "node:test";
import { limits } from "../../src/limits.ts";
import { isolate } from "./faults/cuts.ts";
import { runAll } from "./pool.ts";
import { runSeed, Simulation } from "./run.ts";
import type { Order } from "./worker.ts";
import { WALL_START_MS } from "./world.ts";

const SEEDS = 100;
const STORM_MS = 20_000;
describe("simulation", () => {
  it(`finds no violation in ${SEEDS} seeds`, async (t) => {
    const seeds = Array.from({ length: SEEDS }, (_, i) => SEEDS - i);
    const next = (): Order | undefined => {
      const seed = seeds.pop();
      return seed === undefined ? undefined : { seed, stormMs: STORM_MS, twice: false };
    };
    const startedMs = performance.now();
    const { totals, failure } = await runAll(availableParallelism(), next);
    t.diagnostic(totals.text(performance.now() - startedMs, availableParallelism()));
    if (failure) assert.fail(`${failure.text}\nreplay: npm run sim -- --seed ${failure.seed} --storm ${STORM_MS / 1000}`);
    for (const what of ["occurrences", "changes", "reads"]) assert.ok(totals.sum(what) > 20 * SEEDS, `too few ${what} to prove anything`);
    for (const what of ["installed snapshot", "wiped"]) assert.ok(totals.count(what) * 10 > SEEDS, `too few: ${what}`);
  });

  it("replays bit for bit", async () => {
    for (const seed of [7, 8]) assert.deepEqual(await runSeed({ seed, stormMs: 8000 }), await runSeed({ seed, stormMs: 8000 }));
  });
});

/** A calm cluster of three that has run for a while. */
async function calmCluster(seed: number): Promise<Simulation> {
  const simulation = new Simulation({ seed, nodes: 3, faults: [] });
  Object.assign(simulation.face, { failRate: 0, slowRate: 0.6, slowMs: 90_000 });
  await simulation.begin();
  await simulation.until(12_000);
  return simulation;
}

/** Executions that run at this moment, by the log and on a machine, and have minutes left before their timeout. */
function liveRunning({ judge, nodes }: Simulation): { sequence: number; token: number }[] {
  const { state } = judge.reference;
  const { live } = state;
  const rows: { sequence: number; token: number }[] = [];
  for (let slot = live.pool.nextUsed(0); slot !== 0; slot = live.pool.nextUsed(slot)) {
    const sequence = live.sequence[slot] as number;
    const held = nodes.some((node) => node.simFace?.runs(sequence) === true);
    const patient = state.classOf(live.job[slot] as number).spec.timeoutMs > 60_000;
    if (held && patient && state.occupies(slot)) rows.push({ sequence, token: live.token[slot] as number });
  }
  return rows;
}

describe("plays of a whole cluster", () => {
  it("H7: all nodes pause for 20 s: nothing that ran is started again", async () => {
    const simulation = await calmCluster(11);
    let running = liveRunning(simulation);
    for (let atMs = 12_200; running.length === 0 && atMs < 40_000; atMs += 200) {
      await simulation.until(atMs);
      running = liveRunning(simulation);
    }
    for (const node of simulation.nodes) node.pause(20_000);
    await simulation.until(simulation.world.nowMs + 45_000);
    for (const { sequence, token } of running) {
      const starts = simulation.judge.target.starts.get(sequence) ?? [];
      assert.equal(starts.filter((start) => start.token >= token).length, 1, `execution ${sequence} was started again`);
    }
    assert.ok(running.length > 0, "nothing ran when the nodes were paused");
  });

  it("H13: one node's clock stands in 2099: the others' schedules stay on time, whoever leads", async () => {
    const simulation = await calmCluster(12);
    const leader = simulation.nodes.find((node) => node.assembled?.replica.leads);
    assert.ok(leader);
    leader.setWall(2.3e12, 0);
    await simulation.until(40_000);
    const { state } = simulation.judge.reference;
    assert.ok(state.clockMs <= WALL_START_MS + 40_000 + limits.clockAgreementMs, "the replicated clock followed the wrong one");
    assert.ok(state.clockMs >= WALL_START_MS + 35_000, "nothing was fired any more");
    assert.notEqual(simulation.nodes.find((node) => node.assembled?.replica.leads), leader, "the node with the wrong clock still leads");
  });

  it("P8: a minority answers no_quorum in time", async () => {
    const simulation = await calmCluster(13);
    const [alone] = simulation.nodes;
    assert.ok(alone);
    isolate(simulation, alone, "both", 60_000);
    await simulation.until(18_000);
    const answered = await simulation.askedAt(alone, limits.noQuorumAnswerMs + 200);
    assert.equal(answered, "no_quorum");
  });
});
