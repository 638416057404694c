// Owns: how one request reaches one server: over the network by undici, or however an embedding program hands it in.
// (C1) A transport that fails says whether the request may have been sent; only if it surely was not has nothing happened.

import { Agent, request as send } from "undici";
import type { Dispatcher } from "undici";
import { messageOf } from "../base/errors.ts";
import { limits } from "../limits.ts";

export type TransportRequest = {
  /** Like "https://10.0.0.1:7500". */
  readonly server: string;
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
};

export type TransportResponse = {
  readonly status: number;
  header(name: string): string | undefined;
  /** The body as it arrives; read it to its end or break off. */
  readonly body: AsyncIterable<Uint8Array>;
};

export type Transport = {
  /** Rejects with a TransportError. */
  send(request: TransportRequest): Promise<TransportResponse>;
  close(): Promise<void>;
};

export class TransportError extends Error {
  /** False when the request surely never left (C1). */
  readonly maybeSent: boolean;

  constructor(message: string, maybeSent: boolean, cause: unknown) {
    super(message, { cause });
    this.maybeSent = maybeSent;
  }
}

/** Failures before a connection stands: nothing was sent. */
const NOT_SENT: ReadonlySet<string> = new Set([
  "ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL", "UND_ERR_CONNECT_TIMEOUT",
  "DEPTH_ZERO_SELF_SIGNED_CERT", "SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "CERT_HAS_EXPIRED", "ERR_TLS_CERT_ALTNAME_INVALID",
]);

/** HTTP/1.1 over kept connections. `ca` is the PEM text of the certificate authority to trust instead of the system's. */
export function networkTransport(ca: string | undefined): Transport {
  const agent = new Agent({
    allowH2: false,
    pipelining: 1,
    connect: { timeout: limits.clientConnectMs, ...(ca === undefined ? {} : { ca }) },
    headersTimeout: limits.clientTimeoutMs,
    // Streams of events are silent for one heartbeat at most.
    bodyTimeout: 3 * limits.streamHeartbeatMs,
  });
  return { send: (request) => sendBy(agent, request), close: () => agent.close() };
}

async function sendBy(agent: Agent, request: TransportRequest): Promise<TransportResponse> {
  const { server, path, method, headers, body, signal } = request;
  try {
    const options = { dispatcher: agent, method, headers, body: body ?? null, signal: signal ?? null };
    const response: Dispatcher.ResponseData = await send(server + path, options);
    return { status: response.statusCode, header: (name) => [response.headers[name]].flat()[0], body: response.body };
  } catch (error) {
    throw new TransportError(`${server}: ${messageOf(error) || codeOf(error)}`, !NOT_SENT.has(codeOf(error)), error);
  }
}

/** Node joins the failures of several addresses into one error; it is the code of the first that tells. */
function codeOf(error: unknown): string {
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
