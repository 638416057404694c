// Owns: the live stream of events as server-sent events. Which events there are is the log's business; a stream is only a position
// in it, so a reader that lost its connection goes on, on any node, from the id that it saw last.
// (A14) A stream pulls: it asks for the next page only when the last one has left for the reader, so a slow reader costs one page.
// (A15) A stream never skips: when events after its position were dropped it ends (or answers 410), and the reader must start anew.

import { Readable } from "node:stream";
import Type from "typebox";
import { PawlError, messageOf } from "../base/errors.ts";
import type { EventPosition, EventView } from "../jobs/views.ts";
import { limits } from "../limits.ts";
import type { System, Timer } from "../system.ts";
import type { Backend } from "./backend.ts";
import { positionText, presentEvent } from "./present.ts";
import { PREFIX, route } from "./registry.ts";
import type { Call, Result, Route } from "./registry.ts";
import { read } from "./reading.ts";
import type { AnswerOf } from "./reading.ts";
import { eventsQuery } from "./schemas.ts";

export type Streams = {
  readonly routes: readonly Route[];
  /** Ends every stream, so that the server can close. */
  close(): void;
};

export function eventStreams(backend: Backend, system: System): Streams {
  const open = new Set<Readable>();
  const routes = [
    route({
      method: "GET", path: `${PREFIX}/events`, permission: "events:read", change: false,
      summary: "Events as they happen; resumes after Last-Event-ID, or after the parameter",
      query: eventsQuery, answers: { 200: Type.String() }, contentType: "text/event-stream",
      handle: (call) => openStream(backend, system, open, call),
    }),
  ];
  return { routes, close: () => open.forEach((stream) => stream.destroy()) };
}

type EventsCall = Call<unknown, { after?: string }>;

async function openStream(backend: Backend, system: System, open: Set<Readable>, call: EventsCall): Promise<Result> {
  const lastSeen = call.header("last-event-id");
  const after = await startingPoint(backend, lastSeen === undefined || lastSeen === "" ? call.query.after : lastSeen);
  if (open.size >= limits.streamsMax) throw new PawlError("overloaded", `${limits.streamsMax} event streams are open on this node already`);
  const stream = eventStream(backend, system, after);
  open.add(stream);
  stream.once("close", () => open.delete(stream));
  return { body: stream, contentType: "text/event-stream", headers: { "cache-control": "no-store", "x-accel-buffering": "no" } };
}

/** Where to begin: after the id given, which must still be within what is kept, else after the newest event. */
async function startingPoint(backend: Backend, id: string | undefined): Promise<EventPosition> {
  if (id === undefined) return (await read(backend, { kind: "events", after: undefined, limit: 1 }, "stale")).answer.newest;
  const after = parsePosition(id);
  checkKept((await read(backend, { kind: "events", after, limit: 1 }, "stale")).answer, after);
  return after;
}

function parsePosition(id: string): EventPosition {
  const match = /^(\d{1,15})\.(\d{1,9})$/.exec(id);
  if (match === null) throw new PawlError("invalid", "after: expected the id of an event, like 1042.0", { field: "after" });
  return { index: Number(match[1]), at: Number(match[2]) };
}

/** Throws gone when events after the position were dropped (A2). */
function checkKept({ oldest, events }: AnswerOf<"events">, after: EventPosition): void {
  const dropped = events.length === 0 && (after.index < oldest.index || (after.index === oldest.index && after.at < oldest.at));
  if (!dropped) return;
  const why = `events after ${positionText(after)} are no longer kept; the oldest one is ${positionText(oldest)}`;
  throw new PawlError("gone", why, { field: "after" });
}

/** A stream of text that starts after a position and ends only by destruction. */
export function eventStream(backend: Backend, system: System, from: EventPosition): Readable {
  let position = from;
  let wanted = false;
  let asking = false;
  let mayHaveMore = true;
  let heartbeat: Timer | undefined;
  const stream = new Readable({
    highWaterMark: limits.streamBufferMaxBytes,
    read() {
      wanted = true;
      pull();
    },
    destroy(error, done) {
      unsubscribe();
      heartbeat?.cancel();
      done(error);
    },
  });
  const unsubscribe = backend.subscribe(() => {
    mayHaveMore = true;
    pull();
  });
  function pull(): void {
    if (!wanted || asking || !mayHaveMore || stream.destroyed) return;
    asking = true;
    mayHaveMore = false;
    read(backend, { kind: "events", after: position, limit: limits.eventsPerPageMax }, "stale")
      .then(({ answer }) => take(answer))
      .catch((error: unknown) => stream.destroy(error instanceof Error ? error : new Error(messageOf(error))));
  }
  function take(answer: AnswerOf<"events">): void {
    asking = false;
    if (stream.destroyed) return;
    checkKept(answer, position);
    const last = answer.events.at(-1);
    if (last !== undefined) {
      position = last.position;
      mayHaveMore = true;
      wanted = stream.push(answer.events.map(eventText).join(""));
    }
    pull();
  }
  function beat(): void {
    heartbeat = system.after(limits.streamHeartbeatMs, () => {
      if (wanted) wanted = stream.push(":\n\n");
      beat();
    });
  }
  // An id without data is no event, but where a reader resumes that loses the connection before it saw one.
  stream.push(`id: ${positionText(from)}\n\n`);
  beat();
  return stream;
}

function eventText(event: EventView): string {
  return `id: ${positionText(event.position)}\nevent: ${event.type}\ndata: ${JSON.stringify(presentEvent(event))}\n\n`;
}
