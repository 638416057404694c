// Owns: the command line of the chaos run: `npm run chaos -- [--minutes M | --trials N] [--only TEXT,...] [--nodes 3|5] [--seed S]
// [--network auto|relay|namespaces] [--json] [--keep]`; `--figures failover` is 50 kills of the leader. Real nodes under load, one fault
// after the other. Ctrl-C ends the trials, and what there is is judged. Exits with 1 when anything was lost, doubled or wrong, or when the
// load was too small to prove anything.

import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { limits } from "../../src/limits.ts";
import { seeded } from "../schedule/random.ts";
import { noFakeClock } from "./fakeclock.ts";
import type { Fault, Need } from "./faults/fault.ts";
import { faults } from "./faults/index.ts";
import { enclosed, isEnclosed, noNamespaces } from "./namespaces.ts";
import { run } from "./run.ts";
import type { Report } from "./run.ts";
import { noDiskFaults } from "./shim/diskfaults.ts";
import { rowsOf, tableOf } from "./table.ts";
import type { Missing } from "./table.ts";
import type { Trial } from "./trial.ts";

const FAILOVER_TRIALS = 50;
const NODE_IDS = ["a", "b", "c", "d", "e"];

const { values } = parseArgs({
  options: {
    minutes: { type: "string" },
    trials: { type: "string" },
    only: { type: "string" },
    nodes: { type: "string", default: "3" },
    seed: { type: "string", default: "1" },
    network: { type: "string", default: "auto" },
    figures: { type: "string" },
    json: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
  },
});

let isStopped = false;
const tell = (line: string): void => console.error(line);

function chosenFaults(): readonly Fault[] {
  if (values.figures !== undefined && values.figures !== "failover") throw new Error("--figures knows failover");
  const texts = (values.figures === "failover" ? "kill-leader" : (values.only ?? "")).split(",");
  const chosen = faults.filter((fault) => texts.some((text) => fault.name.includes(text)));
  if (chosen.length === 0) throw new Error(`--only: there are ${faults.map((fault) => fault.name).join(", ")}`);
  return chosen;
}

/** Why this machine cannot make what a fault needs. */
function lacking(need: Need | undefined): string | undefined {
  if (need === "disk") return noDiskFaults();
  if (need === "clock") return noFakeClock();
  if (need !== "smalldisk") return undefined;
  if (!isEnclosed()) return "a small file system can only be mounted with --network namespaces";
  const tried = spawnSync("sh", ["-c", "mount -t tmpfs -o size=1m none /mnt && umount /mnt"], { encoding: "utf8" });
  return tried.status === 0 ? undefined : `no file system can be mounted: ${tried.stderr.trim()}`;
}

/** Rounds of all faults, each round in another order, until the trials are done or the time is over. */
function plan(chosen: readonly Fault[], seed: number): (trials: readonly Trial[]) => Fault | undefined {
  const random = seeded(seed);
  const endMs = values.minutes === undefined ? undefined : Date.now() + Number(values.minutes) * 60_000;
  const rounds = Number(values.trials ?? (values.figures === "failover" ? FAILOVER_TRIALS : 1));
  let round: Fault[] = [];
  return ({ length }) => {
    const isOver = endMs === undefined ? length >= rounds * chosen.length : Date.now() >= endMs;
    if (isOver || isStopped) return undefined;
    if (round.length === 0) round = [...chosen];
    return round.splice(random(round.length), 1)[0];
  };
}

/** The first signal ends the trials, another one everything. One Ctrl-C may come twice, from the terminal and passed on. */
function stopOnSignals(): void {
  let firstMs = 0;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (!isStopped) {
        firstMs = performance.now();
        isStopped = true;
        tell("no more trials; judging what there is");
      } else if (performance.now() - firstMs > limits.signalRepeatMs) process.exit(130);
    });
  }
}

async function chaos(): Promise<Report & { readonly missing: readonly Missing[] }> {
  const seed = Number(values.seed);
  const all = chosenFaults().map((fault) => ({ fault, reason: lacking(fault.needs) }));
  const missing = all.flatMap(({ fault, reason }) => (reason === undefined ? [] : [{ fault: fault.name, reason }]));
  for (const { fault, reason } of missing) tell(`${fault}: NOT TRIED, ${reason}`);
  const chosen = all.filter(({ reason }) => reason === undefined).map(({ fault }) => fault);
  if (chosen.length === 0) throw new Error("none of these faults can be made here");
  const needs = (need: Need): boolean => chosen.some((fault) => fault.needs === need);
  const report = await run({
    stage: {
      ids: NODE_IDS.slice(0, Number(values.nodes)), network: isEnclosed() ? "namespaces" : "relay", random: seeded(seed),
      withDiskFaults: needs("disk"), withFakeClocks: needs("clock"), withSmallDisk: needs("smalldisk"),
    },
    load: { processes: 2, loops: 3, paceMs: 40, seed }, next: plan(chosen, seed), tell, keep: values.keep,
  });
  return { ...report, missing };
}

async function main(): Promise<number> {
  if (values.nodes !== "3" && values.nodes !== "5") throw new Error("--nodes is 3 or 5");
  if (values.network !== "relay" && !isEnclosed()) {
    const reason = noNamespaces();
    if (reason === undefined) return enclosed();
    if (values.network === "namespaces") throw new Error(reason);
    tell(`${reason}: the nodes are linked by relays on loopback`);
  }
  stopOnSignals();
  const report = await chaos();
  if (values.json) console.log(JSON.stringify({ ...report, rows: rowsOf(report) }, null, 1));
  else console.log(tableOf(report, report.missing));
  return report.findings.length === 0 && report.isEnough ? 0 : 1;
}

process.exit(await main());
