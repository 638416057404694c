// Owns: the end of a run: faults stop, and within bounded time there is one leader that stays, every node has applied what the others
// have, a new write and a new read succeed at every node, everything that was due has its record, and nobody waits (liveness, I3).

import { PawlError } from "../../src/base/errors.ts";
import { liveState } from "../../src/jobs/livetable.ts";
import { limits } from "../../src/limits.ts";
import { stateName } from "../../src/storage/state.ts";
import { textOf } from "./faults/damage.ts";
import type { Fault } from "./faults/fault.ts";
import { tell, willVote } from "./memberships.ts";
import type { SimNode } from "./node.ts";
import { demand } from "./oracle.ts";
import { recordsAgree } from "./records.ts";
import type { Simulation } from "./run.ts";
import { WALL_START_MS } from "./world.ts";

/** A hung disk is given up after diskStallExitMs; then a node starts and an election takes at most a few timeouts. */
const LEADER_MS = limits.diskStallExitMs + 10 * limits.electionTimeoutMs;
/** Leases of nodes that are gone run out, what they ran is started again, callers' changes are answered. */
const QUIET_MS = limits.leaseLeaderMs + limits.proposalTimeoutMs + 20_000;
const ANSWER_MS = 1000;
/** Repairs are asked for until they are done; then a snapshot is sent. */
const WHOLE_MS = 40_000;

export async function settle(simulation: Simulation, faults: readonly Fault[]): Promise<void> {
  const endMs = simulation.world.nowMs;
  calmDown(simulation, faults);
  await simulation.until(endMs + LEADER_MS);
  await becomesWhole(simulation);
  const term = termOf(simulation);
  const found = simulation.counts.get("damage found");
  await simulation.until(Math.max(simulation.world.nowMs, endMs + QUIET_MS));
  await becomesWhole(simulation);
  const isQuiet = termOf(simulation) === term || simulation.counts.get("damage found") !== found;
  demand(isQuiet, "liveness", "there was an election although nothing was wrong any more");
  scrubbed(simulation);
  await answersEverywhere(simulation);
  await standsStill(simulation);
  nothingHangs(simulation);
  const { judge, callers, history, world } = simulation;
  const wallMs = WALL_START_MS + world.nowMs;
  const { clockMs } = judge.reference.state;
  demand(clockMs <= wallMs + limits.clockAgreementMs, "H13", `the replicated clock is ${clockMs - wallMs} ms ahead of true time`);
  judge.oracle.finished(wallMs - 3000);
  callers.finished(judge);
  history.finished();
  judge.memberships.finished();
}

/** H8f: rounds of the scrubber have come to everything since: nobody runs with damage that can be read. */
function scrubbed({ nodes }: Simulation): void {
  for (const { id, storage, assembled, unread, unreadBytes, lost } of nodes) {
    if (lost) continue;
    if (unreadBytes !== undefined && [...storage.files.values()].includes(unreadBytes.file)) {
      const { file, from, text } = unreadBytes;
      const stored = textOf(file.data.subarray(from, Math.min(file.length, from + text.length)));
      demand(stored !== text, "I5", `${id} was not found to have a wrong byte in its history`);
    }
    // A copy that was begun and given up is not read.
    if (unread === undefined || assembled === undefined || unread.store !== stateName(assembled.log.stateNumber)) continue;
    const store = storage.store(unread.store);
    for (const [key, value] of unread.values) {
      const stored = Buffer.from(store.get(key) ?? []).toString("latin1");
      demand(stored !== value, "I5", `${id} was not found to have a wrong value of ${key}`);
    }
  }
}

function calmDown(simulation: Simulation, faults: readonly Fault[]): void {
  const { world, network, nodes, callers, readers, face } = simulation;
  simulation.storming = false;
  callers.stop();
  readers.stop();
  for (const fault of faults) fault.end?.(simulation);
  network.heal();
  Object.assign(face, { hangMs: 0, slowRate: 0, failRate: 0 });
  for (const node of nodes) {
    if (node.process) node.process.pausedUntilMs = world.nowMs;
    simulation.restart(node);
  }
}

/** Members whose data was not found damaged. */
function sound({ nodes, members }: Simulation): SimNode[] {
  return nodes.filter((node) => !node.lost && members.has(node.id));
}

/** Who was lost is repaired, and who is to vote votes. */
async function becomesWhole(simulation: Simulation): Promise<void> {
  const { world, nodes, members } = simulation;
  const lost = (): SimNode[] => nodes.filter((node) => node.lost && members.has(node.id));
  const waiting = (): string[] => members.learners.filter((id) => willVote(members.newest.membership, id));
  const isWhole = (): boolean => lost().length === 0 && waiting().length === 0 && members.newest.membership.voters.length === 1;
  for (const endMs = world.nowMs + WHOLE_MS; !isWhole() && world.nowMs < endMs; ) await simulation.until(world.nowMs + 500);
  const told = tell(members.newest.membership);
  demand(lost().length === 0, "liveness", `${lost().map(({ id }) => id).join(",")} could not be repaired: ${told}`);
  demand(waiting().length === 0, "liveness", `${waiting().join(",")} does not become a voter: ${told}`);
  demand(isWhole(), "liveness", `a joint membership is not left: ${told}`);
}

function termOf(simulation: Simulation): number {
  const leaders = sound(simulation).filter((node) => node.assembled?.replica.leads);
  demand(leaders.length === 1, "liveness", `${leaders.length} leaders ${LEADER_MS} ms after the faults stopped`);
  return leaders[0]?.assembled?.replica.raft.status().term ?? 0;
}

/** A fresh write through every node, and a read of it through every node. A node may find only now that it was damaged: then again. */
async function answersEverywhere(simulation: Simulation): Promise<void> {
  const nodes = sound(simulation);
  const found = simulation.counts.get("damage found");
  const told = await changedAt(simulation, nodes);
  const read = await readAt(simulation, nodes);
  if (simulation.counts.get("damage found") !== found) {
    await simulation.until(simulation.world.nowMs + LEADER_MS);
    await becomesWhole(simulation);
    return answersEverywhere(simulation);
  }
  demand([...told.values()].every((code) => code === "done"), "liveness", `a change was answered by: ${[...told].join("; ")}`);
  demand(read === nodes.length, "liveness", `a read was answered at ${read} of ${nodes.length} nodes`);
}

async function changedAt(simulation: Simulation, nodes: readonly SimNode[]): Promise<Map<string, string>> {
  const { world, callers } = simulation;
  const [jobId = ""] = callers.known;
  const told = new Map(nodes.map(({ id }) => [id, "nothing"]));
  for (const node of nodes) {
    node.assembled?.replica.submit({ kind: "trigger", jobId }, undefined, 100, (outcome) => {
      // The job may be gone, the table full: the log has said so, and that is an answer.
      const code = outcome instanceof PawlError ? outcome.code : "done";
      told.set(node.id, ["not_found", "capacity"].includes(code) ? "done" : code);
    });
  }
  await simulation.until(world.nowMs + ANSWER_MS);
  return told;
}

async function readAt(simulation: Simulation, nodes: readonly SimNode[]): Promise<number> {
  const { world, callers, readers } = simulation;
  const [jobId = ""] = callers.known;
  let read = 0;
  for (const node of nodes) if (node.up) void readers.job(node, jobId).then((isRead) => (read += isRead ? 1 : 0));
  await simulation.until(world.nowMs + ANSWER_MS);
  return read;
}

/** Jobs go on firing: at some moment between two entries, all nodes must be equal. */
async function standsStill(simulation: Simulation): Promise<void> {
  const { world, judge } = simulation;
  const nodes = sound(simulation);
  const together = (): boolean => {
    const { appliedIndex } = judge.reference.state;
    return nodes.every(({ assembled }) => {
      const { applied = -1, lastIndex = -1 } = assembled?.replica.raft.status() ?? {};
      return applied === appliedIndex && lastIndex === appliedIndex;
    });
  };
  for (let tries = 0; tries < 300 && !together(); tries++) await simulation.until(world.nowMs + 7);
  demand(together(), "liveness", "the nodes do not come to the same index");
  judge.finished(nodes);
  recordsAgree(nodes, nodes.length < simulation.nodes.length, judge.reference.allRecords);
}

/** I3: a live execution is young, or its timer lies ahead. */
function nothingHangs({ judge, nodes: all, world }: Simulation): void {
  const wallMs = WALL_START_MS + world.nowMs;
  const { state } = judge.reference;
  const { live, nodes } = state;
  for (let slot = live.pool.nextUsed(0); slot !== 0; slot = live.pool.nextUsed(slot)) {
    const late = wallMs - (live.timerAtMs[slot] as number);
    const what = `execution ${live.sequence[slot]} in state ${live.state[slot]} is ${Math.round(late)} ms past its timer`;
    demand(late < (live.state[slot] === liveState.queued ? 15_000 : 5000), "I3", what);
    if (!state.occupies(slot) || wallMs - (live.startedAtMs[slot] as number) < 5000) continue;
    const node = all.find(({ id }) => id === nodes.withSession(live.session[slot] as number)?.id);
    const held = node?.simFace?.holds(live.sequence[slot] as number, live.token[slot] as number) ?? false;
    demand(held, "H6b", `execution ${live.sequence[slot]} is running according to the log, and on no machine`);
  }
}
