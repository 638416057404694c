// Owns: `npm run mutants`: puts each mutant back into a copy of the code and lets the simulator look for it. One line each: rule, name,
// killed or alive, seed. Exits with 1 when one stays alive or no longer applies. `--only TEXT` picks some by rule or name.

import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { mutants } from "./list.ts";
import type { Mutant } from "./list.ts";

const root = join(import.meta.dirname, "..", "..");
const { values } = parseArgs({
  options: { only: { type: "string" }, seeds: { type: "string", default: "150" }, workers: { type: "string", default: "2" } },
});

type Verdict = { readonly killed: boolean; readonly how: string };

function mutated(mutant: Mutant): string {
  const copy = mkdtempSync(join(tmpdir(), "pawl-mutant-"));
  for (const part of ["src", "test", "package.json"]) cpSync(join(root, part), join(copy, part), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  for (const { file, find, put } of mutant.edits) {
    const text = readFileSync(join(copy, file), "utf8");
    if (!text.includes(find)) throw new Error(`mutant ${mutant.rule}: ${file} has no ${JSON.stringify(find.slice(0, 60))}`);
    writeFileSync(join(copy, file), text.replace(find, put));
  }
  return copy;
}

function simulate(copy: string, seeds: number): Promise<Verdict> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(copy, "test", "sim", "main.ts"), "--seeds", String(seeds), "--workers", "1"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let output = "";
    child.stderr.on("data", (data: Buffer) => (output = (output + data.toString()).slice(-20_000)));
    child.on("exit", (code) => {
      const seed = /seed (\d+) failed/.exec(output)?.[1];
      const what =
        /(?:Violation|InvariantError|BugError|PawlError|Error)[^:]*: ([^\n]*)/.exec(output)?.[1] ?? output.trim().split("\n")[0] ?? "";
      resolve({ killed: code !== 0, how: code === 0 ? `${seeds} seeds` : `seed ${seed ?? "?"}: ${what.slice(0, 90)}` });
    });
  });
}

async function main(): Promise<number> {
  const chosen = mutants.filter((mutant) => values.only === undefined || `${mutant.rule} ${mutant.name}`.includes(values.only));
  let alive = 0;
  const queue = [...chosen];
  const work = async (): Promise<void> => {
    for (let mutant = queue.shift(); mutant; mutant = queue.shift()) {
      const copy = mutated(mutant);
      const { killed, how } = await simulate(copy, mutant.seeds ?? Number(values.seeds));
      rmSync(copy, { recursive: true, force: true });
      if (!killed) alive++;
      console.log(`${mutant.rule.padEnd(4)} ${killed ? "killed" : "ALIVE "}  ${mutant.name}  (${how})`);
    }
  };
  await Promise.all(Array.from({ length: Number(values.workers) }, work));
  console.log(`${chosen.length} mutants, ${alive} alive`);
  return alive === 0 ? 0 : 1;
}

process.exit(await main());
