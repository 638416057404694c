// Owns: how the comparison is shown: what each side is and batches, a row for each figure, and how many times Pawl is ahead.

import type { Facts } from "./side.ts";
import type { Figure } from "./works.ts";

const FACTS = [
  ["versions", "versions"], ["durability", "durability"], ["bulk", "bulk submit"], ["handling", "handling"], ["ticking", "every second"],
] as const;

/** How many times `mine` is ahead of `theirs`: above 1 is better, whatever better means for the figure. */
export function advantage(mine: Figure, theirs: Figure): number {
  return mine.better === "higher" ? mine.value / theirs.value : theirs.value / mine.value;
}

function shown(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
}

function ratio(value: number): string {
  return value >= 10 ? Math.round(value).toLocaleString("en") : value.toPrecision(2);
}

export function factsText(sides: readonly Facts[]): string {
  return sides.map((facts) => `${facts.name}\n${FACTS.map(([key, name]) => `  ${name.padEnd(13)}${facts[key]}\n`).join("")}`).join("");
}

/** A column for each side; below a peer's value how many times Pawl is ahead of it, for each of its own sides that was measured. */
export function tableText(figures: readonly Figure[], sides: readonly string[], own: readonly string[]): string {
  return aligned(rowsOf(figures, sides, own));
}

/** The same for a page. */
export function tableMarkdown(figures: readonly Figure[], sides: readonly string[], own: readonly string[]): string {
  const [head = [], ...rows] = rowsOf(figures, sides, own);
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`.replaceAll(/\|  (?=\|)/g, "| ");
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

export function factsMarkdown(sides: readonly Facts[]): string {
  return sides.map((facts) => `- **${facts.name}**: ${FACTS.map(([key, name]) => `*${name}:* ${facts[key]}`).join("; ")}.`).join("\n");
}

function rowsOf(figures: readonly Figure[], sides: readonly string[], own: readonly string[]): readonly (readonly string[])[] {
  const names = [...new Set(figures.map(({ figure, unit }) => `${figure}, ${unit}`))];
  const cell = (name: string, side: string): Figure | undefined =>
    figures.find((each) => each.of === side && `${each.figure}, ${each.unit}` === name);
  const rows = names.flatMap((name) => {
    const values = sides.map((side) => cell(name, side));
    const mine = own.map((side) => cell(name, side));
    const ratios = values.map((theirs) => (theirs === undefined || own.includes(theirs.of) ? "" : ratiosText(mine, theirs)));
    const row = [name, ...values.map((each) => (each === undefined ? "-" : shown(each.value)))];
    return ratios.every((each) => each === "") ? [row] : [row, ["", ...ratios]];
  });
  return [["", ...sides], ...rows];
}

function ratiosText(mine: readonly (Figure | undefined)[], theirs: Figure): string {
  return mine.flatMap((each) => (each === undefined ? [] : [`x${ratio(advantage(each, theirs))}`])).join(" ");
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row.map((text, column) => (column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0))).join("  ");
  return rows.map((row) => `${line(row).trimEnd()}\n`).join("");
}
