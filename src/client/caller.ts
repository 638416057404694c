// Owns: how a call is tried: over which servers, how often, and what is said when no try succeeded.
// (C2) A change is sent more than once only under the same Idempotency-Key, so that it is done at most once.
// (C3) Once a try may have happened, the outcome of the call is unknown until a try succeeds: a later refusal says nothing of it.

import { PawlError, messageOf } from "../base/errors.ts";
import type { ErrorCode } from "../base/errors.ts";
import { limits } from "../limits.ts";
import type { System } from "../system.ts";
import { failureOf } from "./failure.ts";
import { TransportError } from "./transport.ts";
import type { Transport, TransportResponse } from "./transport.ts";

export type ClientCall = {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Path and query below the server, like "/api/v1/jobs". */
  readonly path: string;
  readonly body?: unknown;
  /** A body of NDJSON, instead of `body`. */
  readonly lines?: Uint8Array | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** True for what changes state; it is sent with an Idempotency-Key. */
  readonly change?: boolean;
  readonly idempotencyKey?: string | undefined;
  readonly signal?: AbortSignal | undefined;
};

export type CallerOptions = {
  readonly servers: readonly string[];
  readonly token: string;
  readonly transport: Transport;
  readonly system: System;
};

/** Returns a PawlError for a refusal that is said within an answer: it counts like one that is said by its status. */
type Read<T> = (response: TransportResponse) => Promise<T | PawlError>;

/** What another server, or the same one a little later, may answer differently. */
const worthRetrying: ReadonlySet<ErrorCode> = new Set([
  "history_incomplete", "no_quorum", "not_leader", "unavailable", "timeout", "overloaded",
]);

export class Caller {
  private readonly options: CallerOptions;
  private turn = 0;

  constructor(options: CallerOptions) {
    this.options = options;
  }

  /** What `read` makes of the first successful answer. Throws a PawlError, whose outcome says whether a change may have happened. */
  async run<T>(call: ClientCall, read: Read<T>): Promise<T> {
    const key = call.change === true ? (call.idempotencyKey ?? this.newKey()) : undefined;
    let maybeDone = false;
    for (let tried = 1; ; tried++) {
      const result = await this.tryOnce(call, key, read);
      if (!(result instanceof PawlError)) return result;
      maybeDone ||= call.change === true && result.outcome === "unknown";
      const again = tried < limits.clientTriesMax && worthRetrying.has(result.code) && call.signal?.aborted !== true;
      if (!again) throw maybeDone ? asUnknown(result) : result;
      this.turn++;
      // Another server at once; when all had their turn, a little later.
      if (tried >= this.options.servers.length) await this.pause(tried - this.options.servers.length);
    }
  }

  private async tryOnce<T>(call: ClientCall, key: string | undefined, read: Read<T>): Promise<T | PawlError> {
    const { servers, token, transport } = this.options;
    const { method, path, signal, lines } = call;
    const body = lines ?? (call.body === undefined ? undefined : JSON.stringify(call.body));
    const headers = {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { "content-type": lines === undefined ? "application/json" : "application/x-ndjson" }),
      ...(key === undefined ? {} : { "idempotency-key": key }),
      ...call.headers,
    };
    const server = servers[this.turn % servers.length] as string;
    try {
      const response = await transport.send({ server, method, path, headers, body, signal });
      if (response.status < 300) return await read(response);
      return failureOf(response.status, await textOf(response), call.change === true);
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      const outcome = call.change === true && error.maybeSent ? "unknown" : "rejected";
      return new PawlError("unavailable", error.message, { outcome, cause: error });
    }
  }

  /** Doubles from try to try and varies by half, so that clients that failed together do not come back together. */
  async pause(round: number): Promise<void> {
    const { system } = this.options;
    const delayMs = Math.min(limits.clientRetryMaxMs, limits.clientRetryMinMs * 2 ** round) * (0.5 + system.random() / 2);
    await new Promise<void>((resolve) => void system.after(delayMs, resolve));
  }

  /** Unique, not secret: a key only counts together with a principal. */
  private newKey(): string {
    const part = (): string => Math.floor(this.options.system.random() * 2 ** 32).toString(16).padStart(8, "0");
    return part() + part() + part() + part();
  }
}

function asUnknown(error: PawlError): PawlError {
  return new PawlError(error.code, error.message, { field: error.field, outcome: "unknown", cause: error });
}

/** The whole body as text. Throws a TransportError when it breaks off. */
export async function textOf({ body }: TransportResponse): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  try {
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > limits.clientAnswerMaxBytes) throw new PawlError("too_large", `more than ${limits.clientAnswerMaxBytes} bytes`);
      text += decoder.decode(chunk, { stream: true });
    }
  } catch (error) {
    throw new TransportError(`the answer broke off: ${messageOf(error)}`, true, error);
  }
  return text + decoder.decode();
}
