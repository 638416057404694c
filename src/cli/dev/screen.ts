// Owns: how `pawl dev` looks: lines of text from what is known. Writing them is src/cli/dev.ts.

import { plain, statusText, tableLines } from "../output.ts";
import type { Paint } from "../output.ts";
import type { Attempt } from "./live.ts";

export type NodeLine = {
  readonly id: string;
  readonly api: string;
  readonly pid: number;
  readonly ended: string | undefined;
};

export type Picture = {
  readonly nodes: readonly NodeLine[];
  readonly leaderId: string | undefined;
  readonly folder: string;
  readonly tokenFile: string;
  readonly attempts: readonly Attempt[];
  readonly notice: string | undefined;
};

const ROWS_DEFAULT = 24;
const ATTEMPTS_SHOWN_MAX = 20;

/** The whole screen, at most `rows` lines. */
export function screenLines(picture: Picture, paint: Paint, rows = ROWS_DEFAULT): string[] {
  const head = headLines(picture, paint);
  const room = Math.max(1, Math.min(ATTEMPTS_SHOWN_MAX, rows - head.length - 2));
  const cells = picture.attempts.slice(0, room).map((attempt) => attemptCells(attempt, paint));
  const table = tableLines(paint, ["TIME", "JOB", "NODE", "TOKEN", "ATTEMPT", "LATE", "OUTCOME"], cells);
  return [...head, "", ...table].slice(0, rows);
}

function headLines(picture: Picture, paint: Paint): string[] {
  const nodes = picture.nodes.map((node) => [node.id, node.api, `pid ${node.pid}`, nodeState(node, picture.leaderId, paint)]);
  return [
    `${paint("bold", "pawl dev")}  data in ${picture.folder}, token in ${picture.tokenFile}`,
    ...tableLines(paint, ["NODE", "API", "PROCESS", "STATE"], nodes),
    ...hints(picture).map((hint) => paint("dim", hint)),
    ...(picture.notice === undefined ? [] : [paint("yellow", plain(picture.notice))]),
  ];
}

function nodeState(node: NodeLine, leaderId: string | undefined, paint: Paint): string {
  if (node.ended !== undefined) return `${statusText(paint, "down")} (${node.ended})`;
  return node.id === leaderId ? statusText(paint, "leader") : "follower";
}

/** What one can try, and how to kill the leader. */
export function hints(picture: Pick<Picture, "nodes" | "leaderId">): string[] {
  const leader = picture.nodes.find((node) => node.id === picture.leaderId && node.ended === undefined);
  return [
    "Try: pawl job ls | pawl job add --type noop --every 3s | pawl execution ls | pawl cluster status",
    ...(leader ? [`Kill the leader: kill -9 ${leader.pid}`] : []),
    "Ctrl-C ends all of it.",
  ];
}

function attemptCells(attempt: Attempt, paint: Paint): string[] {
  const late = attempt.latenessMs === undefined ? "" : `${Math.round(attempt.latenessMs)} ms`;
  const time = attempt.at.slice("2026-01-01T".length, -1);
  const texts = [time, attempt.job, attempt.node, attempt.token, String(attempt.attempt || ""), late];
  return [...texts.map(plain), statusText(paint, attempt.outcome)];
}

/** One attempt as a line, for where there is no terminal. */
export function attemptLine(attempt: Attempt): string {
  const late = attempt.latenessMs === undefined ? "" : ` late=${Math.round(attempt.latenessMs)}ms`;
  const where = `node=${attempt.node} token=${attempt.token} attempt=${attempt.attempt}`;
  return plain(`${attempt.at} ${attempt.job} ${attempt.outcome} ${where}${late}`);
}
