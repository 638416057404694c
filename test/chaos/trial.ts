// Owns: one trial: a fault strikes a whole cluster under load, is undone, and the cluster must be whole again within a bound.
// What was acknowledged meanwhile is judged at the end of the run, from the journals.

import { setTimeout as pause } from "node:timers/promises";
import { until } from "../support/processes.ts";
import type { Fault } from "./faults/fault.ts";
import type { Load } from "./load.ts";
import type { Stage } from "./stage.ts";

const WHOLE_WITHIN_MS = 60_000;
const CALM_MIN_MS = 300;
const CALM_SPREAD_MS = 1_200;

export type Trial = {
  readonly fault: string;
  readonly whom: string;
  /** When the fault stood. */
  readonly struckMs: number;
  /** From the end of the fault until the cluster was whole. */
  readonly wholeMs: number;
  /** From the fault to the first acknowledged change that was asked for after it, and to the first start of what became due after it. */
  readonly writeMs: number;
  readonly dueMs: number;
  /** Ends of nodes that nobody brought about, like "b: exit 74". */
  readonly ends: readonly string[];
  readonly wrong: readonly string[];
};

/** All run, all say the same leader, the leader hears from all, and all have applied what was committed when this began. */
export async function whole(stage: Stage, ends?: Ends): Promise<void> {
  let goal: number | undefined;
  await until("the cluster is whole", WHOLE_WITHIN_MS, async () => {
    if (ends !== undefined) ends.startAgain();
    else for (const node of stage.nodes) if (!node.isRunning) throw new Error(`${node.id} has ended:\n${node.tail}`);
    const looks = await stage.looks();
    const leaders = new Set(looks.map((look) => look?.leader_id ?? ""));
    const [id = ""] = leaders;
    const seen = looks[stage.ids.indexOf(id)];
    if (leaders.size > 1 || seen === undefined) return false;
    const enough = (goal ??= seen.commit_index);
    return seen.members.every((member) => member.healthy && (member.applied_index ?? 0) >= enough);
  });
}

export async function tryOut(fault: Fault, stage: Stage, load: Load): Promise<Trial> {
  await pause(CALM_MIN_MS + stage.options.random(CALM_SPREAD_MS));
  const ends = new Ends(fault, stage);
  const { whom, heal } = await fault.strike(stage);
  const struckMs = Date.now();
  await pause(fault.holdMs);
  await heal();
  const healedMs = Date.now();
  const [atWriteMs, atDueMs] = await Promise.all([
    until("a change is acknowledged", WHOLE_WITHIN_MS, () => load.firstAckAfter(struckMs)),
    until("a due job starts", WHOLE_WITHIN_MS, () => load.firstStartAfter(struckMs)),
    whole(stage, ends),
  ]).catch((error: Error) => {
    throw new Error(`${fault.name} on ${whom}: ${error.message}\n${stage.nodes.map((node) => node.tail).join("\n")}`);
  });
  const [writeMs, dueMs] = [atWriteMs - struckMs, atDueMs - struckMs];
  return { fault: fault.name, whom, struckMs, wholeMs: Date.now() - healedMs, writeMs, dueMs, ends: ends.texts, wrong: ends.wrong };
}

/** Starts again what has ended, as a supervisor does, and keeps how it ended. */
class Ends {
  readonly texts: string[] = [];
  readonly wrong: string[] = [];
  private readonly fault: Fault;
  private readonly stage: Stage;
  private readonly seen: number[];

  constructor(fault: Fault, stage: Stage) {
    this.fault = fault;
    this.stage = stage;
    this.seen = stage.nodes.map((node) => node.ends.length);
  }

  startAgain(): void {
    for (const [at, node] of this.stage.nodes.entries()) {
      const fresh = node.ends.slice(this.seen[at]);
      this.seen[at] = node.ends.length;
      for (const { code, signal } of fresh) {
        const text = `${node.id}: ${code === null ? signal : `exit ${code}`}`;
        this.texts.push(text);
        if (code === null || this.fault.mayExit?.includes(code) !== true) this.wrong.push(`${this.fault.name}: ${text}\n${node.tail}`);
      }
      node.start();
    }
  }
}
