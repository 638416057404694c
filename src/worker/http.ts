// Owns: sending the request of an "http" job and judging its answer. What the request is stands in request.ts, which addresses it
// may reach in guard.ts.
// (H1) No redirect is followed, nothing is decompressed, nothing is cached, nothing is retried by Pawl within one attempt.
// (H2) Of an at_most_once attempt at most one request is ever written: it has a connection of its own, which dials once.
// (H3) Of a response at most limits.responseMaxBytes are read; then the connection is destroyed. The status decides;
//      an answer that breaks off before its end or that bound is a failure.
// (H4) The time allowed is the attempt's: its signal ends dialling, waiting and reading.

import { Agent, Client, request as send } from "undici";
import type { Dispatcher, buildConnector } from "undici";
import type { Executor, RunContext, RunOutcome } from "./executor.ts";
import type { GuardOptions } from "./guard.ts";
import type { HttpRequest } from "./request.ts";
import { messageOf } from "../base/errors.ts";
import { limits } from "../limits.ts";
import { failedWith, succeeded } from "./executor.ts";
import { Guard } from "./guard.ts";
import { parseRequest, pawlHeaders, statusError } from "./request.ts";

/** undici's own timers are off: the attempt's signal is the only clock (H4). */
const connection = { allowH2: false, headersTimeout: 0, bodyTimeout: 0, connectTimeout: 0 } as const;

export function httpExecutor(options: GuardOptions): Executor {
  const guard = new Guard(options);
  const agent = new Agent({ ...connection, connect: guard.connect, pipelining: 1 });
  return {
    type: "http",
    validate: (payload) => void parseRequest(payload),
    run(context) {
      const request = parseRequest(context.payload);
      return context.deliverOnce ? exchangeOnce(guard, request, context) : exchange(agent, request, context);
    },
    close: () => void agent.destroy(new Error("the node stops")),
  };
}

async function exchangeOnce(guard: Guard, request: HttpRequest, context: RunContext): Promise<RunOutcome> {
  const client = new Client(request.url.origin, { ...connection, connect: dialOnce(guard.connect), pipelining: 0 });
  try {
    return await exchange(client, request, context);
  } finally {
    await client.destroy();
  }
}

/** A client that lost its connection dials again for what it believes unsent; this one cannot (H2). */
function dialOnce(connect: buildConnector.connector): buildConnector.connector {
  let dialled = false;
  return (target, callback) => {
    const lost = new Error("the connection was lost; an at_most_once request is not sent again");
    if (dialled) return queueMicrotask(() => callback(lost, null));
    dialled = true;
    connect(target, callback);
  };
}

async function exchange(dispatcher: Dispatcher, request: HttpRequest, context: RunContext): Promise<RunOutcome> {
  try {
    const answer = send(request.url, {
      dispatcher,
      method: request.method as Dispatcher.HttpMethod,
      headers: { "user-agent": "pawl", ...request.headers, ...pawlHeaders(context) },
      body: request.body ?? null,
      signal: context.signal,
    });
    // undici looks at the signal only when it is connected; it then sends nothing.
    const { statusCode, headers, body } = await Promise.race([answer, abortOf(context.signal)]);
    const location = headers["location"];
    const error = statusError(request, statusCode, typeof location === "string" ? location : undefined);
    let leftBytes: number = limits.responseMaxBytes;
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      context.output.write("response", chunk.subarray(0, leftBytes));
      leftBytes -= chunk.length;
      // Leaving the loop destroys the body, and with it the connection (H3).
      if (leftBytes <= 0) break;
    }
    return error === undefined ? succeeded : failedWith(error);
  } catch (error) {
    return failedWith(context.signal.aborted ? messageOf(context.signal.reason) : failureText(error));
  }
}

/** Rejects when the signal aborts. */
function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true }));
}

/** Dialling several addresses at once fails with several errors and no text of its own. */
function failureText(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(messageOf).join("; ");
  return messageOf(error);
}
