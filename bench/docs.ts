// Owns: docs/benchmarks.md, which is made of bench/benchmarks.md (what holds for all), the text beside each benchmark (what is measured,
// what is not) and the figures that were kept in docs/benchmarks/. Nothing in it is written by hand elsewhere.
//   node bin/run.mjs bench:docs
// (M1) In a text, a line {{figures <name>}} becomes the figures of that record, {{machine}} the machine of the newest one, {{benches}} the
//      names of all and {{sections}} the texts of all in the order of bench/benches.ts; {{comparison}} the table beside other schedulers.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { benches, runsOf } from "./benches.ts";
import type { Bench } from "./benches.ts";
import { type Figure, verdict } from "./figure.ts";
import { factsMarkdown, tableMarkdown } from "./peers/table.ts";
import { readComparison, readRecord } from "./record.ts";
import type { BenchRecord, ComparisonRecord } from "./record.ts";

const here = import.meta.dirname;
const file = join(here, "..", "docs", "benchmarks.md");

type Records = (name: string) => BenchRecord | undefined;

/** docs/benchmarks.md as it must be. */
export function rendered(records: Records = readRecord, comparison = readComparison()): string {
  const sections = benches.map((bench) => filled(sectionOf(bench), records).trim());
  const text = filled(readFileSync(join(here, "benchmarks.md"), "utf8"), records);
  const beside = readFileSync(join(here, "peers.md"), "utf8").replace("{{comparison}}", () => comparisonOf(comparison)).trim();
  return text.replace("{{sections}}", () => [...sections, beside].join("\n\n"));
}

function comparisonOf(record: ComparisonRecord | undefined): string {
  if (record === undefined) return "*Not measured yet.*";
  const { own, sides, figures } = record;
  const table = tableMarkdown(figures, sides.map(({ name }) => name), own);
  return [caption(record), table, factsMarkdown(sides)].join("\n\n");
}

/** A benchmark without a text of its own is told by its figures alone. */
function sectionOf(bench: Bench): string {
  const own = join(here, `${bench.name}.md`);
  if (existsSync(own)) return readFileSync(own, "utf8");
  const figures = runsOf(bench).map(({ name }) => `{{figures ${name}}}`).join("\n\n");
  return `## ${bench.about[0]?.toUpperCase()}${bench.about.slice(1)}: \`--only ${bench.name}\`\n\n${figures}`;
}

function filled(text: string, records: Records): string {
  return text
    .replaceAll(/^\{\{figures ([\w-]+)\}\}$/gm, (_, name: string) => figuresOf(name, records(name)))
    .replaceAll("{{benches}}", () => benches.map(({ name }) => `\`${name}\``).join(", "))
    .replaceAll("{{machine}}", () => machine(records));
}

function machine(records: Records): string {
  const all = benches.flatMap(runsOf).flatMap(({ name }) => records(name) ?? []);
  const newest = all.toSorted((a, b) => b.date.localeCompare(a.date))[0];
  if (newest === undefined) return "No figures are kept.";
  const { processor, cores, memoryGib, system, node } = newest.machine;
  const others = all.filter((each) => JSON.stringify(each.machine) !== JSON.stringify(newest.machine)).map(({ bench }) => bench);
  const elsewhere = others.length === 0 ? "" : ` (On another one: ${others.join(", ")}.)`;
  return `${processor}, ${cores} cores, ${memoryGib} GiB, ${system}, Node ${node}.${elsewhere}`;
}

function figuresOf(name: string, record: BenchRecord | undefined): string {
  if (record === undefined) return `*Not measured yet: \`${name}\`.*`;
  const alone = record.figures.filter((each) => each.of === undefined);
  const tables = [...groups(record.figures.filter((each) => each.of !== undefined))].map(tableOf);
  return [caption(record), ...(alone.length === 0 ? [] : [listOf(alone)]), ...tables].join("\n\n");
}

type Captioned = Omit<BenchRecord, "figures">;

function caption({ bench, commit, date, seconds, loadBefore, loadAfter, stolen, scale, options }: Captioned): string {
  const { nodes: _, ...sizes } = options;
  const asked = Object.entries(sizes).map(([option, value]) => `--${option} ${value}`).join(" ");
  const small = scale === "smoke" ? "**only the smallest size, no figure to go by**; " : asked === "" ? "" : `**with ${asked}**; `;
  const taken = stolen === undefined ? "" : `, ${stolen} % of the processors taken away by the host`;
  const load = `load average ${loadBefore} before, ${loadAfter} after${taken}`;
  return `*${bench}: ${small}${date.slice(0, 10)}, commit ${commit}, ${seconds} s, ${load}.*`;
}

/** Figures of things alike, by their columns: one table for each set of columns. */
function groups(figures: readonly Figure[]): ReadonlyMap<string, ReadonlyMap<string, readonly Figure[]>> {
  const rows = Map.groupBy(figures, ({ of }) => of as string);
  const byColumns = new Map<string, Map<string, readonly Figure[]>>();
  for (const [of, row] of rows) {
    const columns = row.map(headOf).join("\n");
    byColumns.set(columns, (byColumns.get(columns) ?? new Map<string, readonly Figure[]>()).set(of, row));
  }
  return byColumns;
}

function headOf({ figure, unit, aim }: Figure): string {
  return `${figure}, ${unit}${aim === undefined ? "" : ` (aim: ${aim})`}`;
}

function tableOf([columns, rows]: readonly [string, ReadonlyMap<string, readonly Figure[]>]): string {
  const heads = columns.split("\n");
  const lines = [...rows].map(([of, row]) => line([of, ...row.map((each) => marked(each, shown(each.value)))]));
  return [line(["", ...heads]), line(["", ...heads].map(() => "---")), ...lines].join("\n");
}

function listOf(figures: readonly Figure[]): string {
  const lines = figures.map((each) => {
    return line([each.figure, marked(each, `${shown(each.value)} ${each.unit}`), each.aim ?? "", verdict(each) ?? ""]);
  });
  return [line(["", "", "aim", ""]), line(["---", "---", "---", "---"]), ...lines].join("\n");
}

/** What misses its aim is seen at once. */
function marked(each: Figure, text: string): string {
  return verdict(each) === "missed" ? `**${text}**` : text;
}

function shown(value: number): string {
  return value.toLocaleString("en", { maximumFractionDigits: 3 });
}

function line(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`.replaceAll("|  |", "| |");
}

if (import.meta.main) {
  writeFileSync(file, rendered());
  process.stdout.write(`${file}\n`);
}
