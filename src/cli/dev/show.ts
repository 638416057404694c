// Owns: the live view of `pawl dev`: follows the events and the state of the cluster, and draws. What is drawn is screen.ts.
// (X1) On a terminal the screen is drawn anew, at most every devRedrawMs; elsewhere each attempt is a line of its own.

import { PawlError, messageOf } from "../../base/errors.ts";
import type { Client } from "../../client/index.ts";
import { limits } from "../../limits.ts";
import type { Context } from "../context.ts";
import { noteEvent } from "./live.ts";
import type { Attempt } from "./live.ts";
import type { RunningDevNode } from "./nodes.ts";
import type { DevPlan } from "./plan.ts";
import { attemptLine, hints, screenLines } from "./screen.ts";

export type Show = {
  readonly plan: DevPlan;
  readonly nodes: readonly RunningDevNode[];
  readonly client: Client;
  readonly context: Context;
  readonly signal: AbortSignal;
};

type State = { readonly attempts: Attempt[]; leaderId: string | undefined; notice: string | undefined };

const POLL_MS = 500;
const CLEAR_LINE = "\x1b[K";
// The other screen, no cursor, long lines cut; and back.
const ENTER_SCREEN = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE_SCREEN = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/** Resolves when `signal` is aborted: calls that are under way are not waited for. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Returns as soon as `signal` is aborted. */
export async function show(all: Show): Promise<void> {
  const { io } = all.context;
  const state: State = { attempts: [], leaderId: undefined, notice: undefined };
  const onTerminal = io.stdout.isTTY === true;
  const draw = onTerminal ? drawer(all, state) : (): void => undefined;
  if (onTerminal) io.stdout.write(ENTER_SCREEN);
  try {
    const followed = Promise.all([followEvents(all, state, draw), followCluster(all, state, draw)]);
    await Promise.race([followed, aborted(all.signal)]);
  } finally {
    if (onTerminal) io.stdout.write(LEAVE_SCREEN);
  }
}

/** A function that asks for a drawing; several askings within devRedrawMs make one (X1). */
function drawer(all: Show, state: State): () => void {
  const { context: { io, out }, plan: { folder, tokenFile }, nodes } = all;
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    io.system.after(limits.devRedrawMs, () => {
      asked = false;
      if (all.signal.aborted) return;
      const lines = screenLines({ nodes, folder, tokenFile, ...state }, out.paint, io.stdout.rows);
      io.stdout.write(`\x1b[H${lines.map((line) => `${line}${CLEAR_LINE}`).join("\n")}\x1b[J`);
    });
  };
}

async function followEvents({ client, context, signal }: Show, state: State, draw: () => void): Promise<void> {
  const onTerminal = context.io.stdout.isTTY === true;
  let after: string | undefined;
  while (!signal.aborted) {
    try {
      for await (const event of client.events({ signal, after })) {
        after = event.id;
        const attempt = noteEvent(state.attempts, event);
        if (attempt && !onTerminal) context.out.line(attemptLine(attempt));
        draw();
      }
    } catch (error) {
      if (signal.aborted) return;
      // What was dropped meanwhile is not shown.
      if (error instanceof PawlError && error.code === "gone") after = undefined;
      state.notice = `events: ${messageOf(error)}`;
      draw();
    }
    await pause(context, signal);
  }
}

async function followCluster(all: Show, state: State, draw: () => void): Promise<void> {
  const { client, context, signal, nodes } = all;
  let told = "";
  while (!signal.aborted) {
    try {
      const cluster = await client.cluster.status({ consistency: "stale" });
      state.leaderId = cluster.leader_id ?? undefined;
      state.notice = state.leaderId === undefined ? "no leader at the moment" : undefined;
    } catch (error) {
      state.leaderId = undefined;
      state.notice = `cluster: ${messageOf(error)}`;
    }
    const ended = nodes.filter((node) => node.ended !== undefined).map((node) => `${node.id} is down (${node.ended})`);
    const now = [`leader: ${state.leaderId ?? "none"}`, ...ended].join("; ");
    if (now !== told && !signal.aborted && context.io.stdout.isTTY !== true) {
      const [trying, ...rest] = hints({ nodes, leaderId: state.leaderId });
      for (const line of told === "" ? [trying, now, ...rest] : [now, ...rest.slice(0, -1)]) context.out.line(line);
    }
    told = now;
    draw();
    await pause(context, signal);
  }
}

function pause({ io }: Context, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = io.system.after(POLL_MS, end);
    signal.addEventListener("abort", end);
  });
}
