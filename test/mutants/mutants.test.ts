// The list of mutants keeps up with the code, and no trap and no timeline is without a mutant or a reason. Running them is
// `npm run mutants`.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { mutants } from "./list.ts";
import { edited, occurrences } from "./mutant.ts";
import { timelines, traps, withoutMutant } from "./rules.ts";

const root = new URL("../../", import.meta.url);
const TRAPS_MIN = 40;
const SEEDS_MAX = 600;

test("each mutant applies to the code as it is: what it replaces is there exactly once (M1)", () => {
  const sources = new Map<string, string>();
  const sourceOf = (file: string): string => {
    const text = sources.get(file) ?? readFileSync(new URL(file, root), "utf8");
    sources.set(file, text);
    return text;
  };
  const wrong: string[] = [];
  for (const { rules, name, edits } of mutants) {
    const changed = new Map<string, string>();
    for (const edit of edits) {
      assert.match(edit.file, /^src\/.*\.ts$/);
      const text = changed.get(edit.file) ?? sourceOf(edit.file);
      const count = occurrences(text, edit);
      if (count !== 1) wrong.push(`${rules.join(" ")}: ${name}: ${edit.file} has ${JSON.stringify(edit.find)} ${count} times`);
      changed.set(edit.file, edited(text, edit));
    }
    for (const [file, text] of changed) if (text === sourceOf(file)) wrong.push(`${name}: changes nothing in ${file}`);
  }
  assert.deepEqual(wrong, []);
});

test("each mutant has a name of its own, a killer that exists and rules that are known", () => {
  const known = new Set([...traps, ...timelines]);
  assert.equal(new Set(mutants.map(({ name }) => name)).size, mutants.length);
  for (const { rules, name, killer, edits } of mutants) {
    assert.ok(rules.length > 0 && edits.length > 0, name);
    for (const rule of rules) assert.ok(known.has(rule), `${name}: there is no rule ${rule}`);
    if (typeof killer === "number") assert.ok(killer > 0 && killer <= SEEDS_MAX, name);
    else assert.ok(killer.endsWith(".test.ts") && existsSync(new URL(killer, root)), `${name}: ${killer} is gone`);
  }
});

test("every trap and every timeline has a mutant, or a reason why there is none, and not both", () => {
  const used = new Set(mutants.flatMap(({ rules }) => rules));
  for (const rule of [...traps, ...timelines]) {
    assert.notEqual(used.has(rule), Object.hasOwn(withoutMutant, rule), `${rule} has neither a mutant nor a reason, or both`);
  }
  for (const rule of Object.keys(withoutMutant)) assert.ok(traps.includes(rule) || timelines.includes(rule), `there is no rule ${rule}`);
  assert.ok(traps.filter((trap) => used.has(trap)).length >= TRAPS_MIN);
});
