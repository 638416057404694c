// Owns: the report of a chaos run as text.

import type { Finding } from "./judge.ts";
import { CHANGES_FLOOR, EXECUTIONS_FLOOR } from "./run.ts";
import type { Report } from "./run.ts";
import type { Trial } from "./trial.ts";

const FINDINGS_SHOWN = 20;
const CALM = "(no fault)";

export type Missing = { readonly fault: string; readonly reason: string };

/** The nearest rank. */
function percentile(values: readonly number[], percent: number): string {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
  return value === undefined ? "-" : String(value);
}

/** The fault that struck last before it. */
function faultAt(trials: readonly Trial[], atMs: number): string {
  return trials.findLast((trial) => trial.struckMs <= atMs)?.fault ?? CALM;
}

export type Row = {
  readonly fault: string;
  readonly trials: number;
  readonly lost: number;
  readonly doubled: number;
  readonly wrong: number;
  readonly writeP50Ms: string;
  readonly writeP99Ms: string;
  readonly dueP50Ms: string;
  readonly dueP99Ms: string;
  readonly wholeP99Ms: string;
};

export function rowsOf({ trials, findings }: Report): Row[] {
  const names = [...new Set(trials.map((trial) => trial.fault)), CALM];
  const rows = names.map((fault): Row => {
    const own = trials.filter((trial) => trial.fault === fault);
    const count = (kind: Finding["kind"]): number =>
      findings.filter((each) => each.kind === kind && faultAt(trials, each.atMs) === fault).length;
    const writes = own.map((trial) => trial.writeMs);
    const dues = own.map((trial) => trial.dueMs);
    return {
      fault, trials: own.length, lost: count("lost"), doubled: count("doubled"), wrong: count("wrong"),
      writeP50Ms: percentile(writes, 50), writeP99Ms: percentile(writes, 99),
      dueP50Ms: percentile(dues, 50), dueP99Ms: percentile(dues, 99),
      wholeP99Ms: percentile(own.map((trial) => trial.wholeMs), 99),
    };
  });
  return rows.filter((row) => row.trials + row.lost + row.doubled + row.wrong > 0);
}

export function tableOf(report: Report, missing: readonly Missing[]): string {
  const heads = ["fault", "trials", "lost", "doubled", "wrong", "change p50", "p99", "first due p50", "p99", "whole p99"];
  const cells = [heads, ...rowsOf(report).map((row) => Object.values(row).map(String))];
  const widths = heads.map((_, at) => Math.max(...cells.map((row) => (row[at] ?? "").length)));
  const padded = (cell: string, at: number): string => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0));
  const lines = cells.map((row) => row.map(padded).join("  "));
  return [...lines, ...missing.map(({ fault, reason }) => `${fault}: NOT TRIED, ${reason}`), "", ...summaryOf(report)].join("\n");
}

function summaryOf(report: Report): string[] {
  const { seconds, changes, executions, again, refusedByTarget, refusals, findings, folder } = report;
  const rate = (count: number): string => (count / seconds).toFixed(1);
  const codes = refusals.map(({ code, count, slowestMs }) => `${code} ${count}, slowest ${slowestMs} ms`);
  const timeOf = (atMs: number): string => (atMs === 0 ? "" : `${new Date(atMs).toISOString()} `);
  const shown = findings.slice(0, FINDINGS_SHOWN).map(({ kind, atMs, text }) => `${kind}: ${timeOf(atMs)}${text}`);
  const floor = `at least ${CHANGES_FLOOR} changes/s and ${EXECUTIONS_FLOOR} executions/s are needed to prove anything`;
  return [
    "times in ms: change and first due from the fault on, whole from its end on",
    `${report.nodes} nodes, network: ${report.network}, ${seconds.toFixed(0)} s under load`,
    `${changes} acknowledged changes (${rate(changes)}/s), ${executions} executions accepted by the target (${rate(executions)}/s), ` +
      `${again} of them later attempts, ${refusedByTarget} refused by their token`,
    `not acknowledged: ${codes.length === 0 ? "none" : codes.join("; ")}`,
    ...(report.isEnough ? [] : [`TOO LITTLE LOAD: ${floor}`]),
    ...shown, ...(findings.length > FINDINGS_SHOWN ? [`and ${findings.length - FINDINGS_SHOWN} more`] : []),
    findings.length > 0 ? `${findings.length} violations; see ${folder}` : "nothing lost, nothing doubled, nothing wrong",
  ];
}
