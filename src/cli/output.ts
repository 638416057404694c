// Owns: how the CLI writes: JSON for programs, tables and lines for people, colours on a terminal only. What is said is each
// command's business.
// (O1) Colours only where stdout is a terminal and NO_COLOR is unset or empty.
// (O2) Texts that came from elsewhere are shown without control characters: they cannot move the cursor or change colours.

import { styleText } from "node:util";
import Table from "cli-table3";
import type { System } from "../system.ts";

export type Sink = {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly rows?: number | undefined;
};

/** What a command may see of the process. */
export type Io = {
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly system: System;
  /** Standard input, read on demand. */
  readonly input: () => AsyncIterable<Uint8Array>;
};

export type Style = Parameters<typeof styleText>[0];
export type Paint = (style: Style, text: string) => string;

export function painter(io: Io): Paint {
  const coloured = io.stdout.isTTY === true && !io.env["NO_COLOR"];
  return (style, text) => (coloured ? styleText(style, text, { validateStream: false }) : text);
}

const CONTROL = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** A text from elsewhere, fit for a terminal (O2). */
export function plain(value: unknown): string {
  return value === undefined || value === null ? "" : String(value).replace(CONTROL, " ");
}

const noBorders = {
  "top": "", "top-mid": "", "top-left": "", "top-right": "", "bottom": "", "bottom-mid": "", "bottom-left": "", "bottom-right": "",
  "left": "", "left-mid": "", "mid": "", "mid-mid": "", "right": "", "right-mid": "", "middle": "  ",
};

/** Rows under heads, without borders, as lines. Cells must be plain (O2); they may be painted. */
export function tableLines(paint: Paint, head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const table = new Table({ chars: noBorders, style: { "padding-left": 0, "padding-right": 0, head: [], border: [] } });
  table.push(head.map((cell) => paint("bold", cell)), ...rows.map((row) => [...row]));
  return table.toString().split("\n").map((line) => line.trimEnd());
}

const styleOfStatus: Readonly<Record<string, Style>> = {
  completed: "green", up: "green", leader: "green", running: "cyan", started: "cyan", retrying: "yellow", queued: "yellow",
  paused: "yellow", cancelling: "yellow", failed: "red", unknown: "red", down: "red", unreachable: "red",
  regressed: "red", no_leader: "red", catching_up: "yellow", snapshot: "yellow", missed: "magenta", skipped: "gray", cancelled: "gray",
};

export function statusText(paint: Paint, status: string): string {
  const style = styleOfStatus[status];
  return style === undefined ? plain(status) : paint(style, plain(status));
}

export type Output = {
  readonly paint: Paint;
  /** One value for programs: pretty-printed JSON. */
  json(value: unknown): void;
  line(text?: string): void;
  table(head: readonly string[], rows: readonly (readonly string[])[]): void;
};

export function output(io: Io): Output {
  const paint = painter(io);
  const line = (text = ""): void => void io.stdout.write(`${text}\n`);
  return {
    paint,
    line,
    json: (value) => line(JSON.stringify(value, undefined, 2)),
    table: (head, rows) => tableLines(paint, head, rows).forEach((text) => line(text)),
  };
}
