// Owns: `npm run mutants`: puts each mutant back into a copy of the code and lets its killer look for it. One line each: rules, killed or
// alive, name, and which test or seed found it. Exits with 1 when one stays alive, or when something is wrong with the list or the code.
//   npm run mutants -- [--only TEXT] [--workers W] [--json]
// `--only` picks those with this rule, or with this text in the name or a file.

import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Copies } from "./copies.ts";
import { mutants } from "./list.ts";
import type { Mutant } from "./mutant.ts";
import { endAll, judge } from "./runner.ts";
import type { Verdict } from "./runner.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    workers: { type: "string", default: String(availableParallelism()) },
    json: { type: "boolean", default: false },
  },
});

type Work = { readonly mutant: Mutant; readonly sound: boolean };

const copies = new Copies(join(import.meta.dirname, "..", ".."));
process.once("exit", () => {
  endAll();
  copies.close();
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

function isChosen({ rules, name, edits }: Mutant): boolean {
  const { only } = values;
  return only === "" || rules.includes(only) || name.includes(only) || edits.some(({ file }) => file.includes(only));
}

/** What kills mutants must let the code pass as it is: each test file, and as many seeds. */
function soundWork(chosen: readonly Mutant[]): Work[] {
  const killers = [...new Set(chosen.map(({ killer }) => killer))];
  return killers.map((killer) => ({ mutant: { rules: [], name: "the code as it is", killer, edits: [] }, sound: true }));
}

async function verdictOf({ mutant, sound }: Work): Promise<Verdict> {
  let copy: string;
  try {
    copy = copies.make(mutant.edits);
  } catch (error) {
    return { outcome: "broken", by: error instanceof Error ? error.message : String(error) };
  }
  const verdict = await judge(copy, mutant.killer);
  copies.remove(copy);
  if (!sound) return verdict;
  return verdict.outcome === "alive" ? { outcome: "killed", by: "" } : { outcome: "broken", by: verdict.by };
}

function print({ rules, name }: Mutant, { outcome, by }: Verdict, seconds: number): void {
  if (values.json) console.log(JSON.stringify({ rules, name, outcome, by, seconds }));
  else console.log(`${rules.join(" ").padEnd(10)} ${outcome.padEnd(6)} ${name}  (${by})`);
}

async function main(): Promise<number> {
  const chosen = mutants.filter(isChosen);
  const count = { killed: 0, alive: 0, broken: 0 };
  const queue: Work[] = [...soundWork(chosen), ...chosen.map((mutant) => ({ mutant, sound: false }))];
  const startedMs = performance.now();
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const sinceMs = performance.now();
      const verdict = await verdictOf(next);
      if (next.sound && verdict.outcome === "killed") continue;
      count[verdict.outcome]++;
      print(next.mutant, verdict, Math.round((performance.now() - sinceMs) / 100) / 10);
    }
  };
  await Promise.all(Array.from({ length: Number(values.workers) }, work));
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  console.error(`${chosen.length} mutants: ${count.killed} killed, ${count.alive} alive, ${count.broken} broken, in ${seconds} s`);
  return count.alive + count.broken === 0 && chosen.length > 0 ? 0 : 1;
}

process.exit(await main());
