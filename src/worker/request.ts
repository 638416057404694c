// Owns: what a payload of type "http" says, checked: the request that is to be sent. Sending it is the business of http.ts.
// (P1) Nothing of a payload can end one request and begin another: method and header names are tokens, values have no control characters.
// (P2) A payload cannot set what the connection or Pawl itself decides: framing, host, hop-by-hop headers, the token and the keys.
// Grammar: RFC 9110, sections 5.5, 5.6.2 and 7.6.1.

import type { RunContext } from "./executor.ts";
import { createHash } from "node:crypto";
import { formatInstant } from "../base/time.ts";
import { limits } from "../limits.ts";
import { payloadFields, recordOf, textOf, unprocessable } from "./payload.ts";

export type HttpRequest = {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** Undefined: any status from 200 to 299. */
  readonly expected: readonly number[] | undefined;
};

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const OWN_HEADERS = new Set([
  "host", "content-length", "expect", "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
  "trailer", "transfer-encoding", "upgrade", "http2-settings", "idempotency-key", "traceparent",
]);
const OWN_PREFIXES = ["pawl-", "webhook-"];

export function parseRequest(payload: unknown): HttpRequest {
  const fields = payloadFields(payload, ["url", "method", "headers", "body", "expected_status"]);
  const body = fields["body"] ?? undefined;
  const headers = parseHeaders(fields["headers"] ?? {});
  if (body !== undefined && typeof body !== "string") headers["content-type"] ??= "application/json";
  return {
    url: parseUrl(fields["url"]),
    method: parseMethod(fields["method"] ?? (body === undefined ? "GET" : "POST")),
    headers,
    body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
    expected: parseExpected(fields["expected_status"] ?? undefined),
  };
}

function parseUrl(value: unknown): URL {
  const spelled = textOf(value, "payload.url");
  const url = URL.canParse(spelled) ? new URL(spelled) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw unprocessable("payload.url", "expected an absolute http or https URL");
  }
  if (url.username !== "" || url.password !== "") {
    throw unprocessable("payload.url", "must not hold a user or password: send them in payload.headers as authorization");
  }
  return url;
}

function parseMethod(value: unknown): string {
  const method = textOf(value, "payload.method").toUpperCase();
  if (!TOKEN.test(method) || method === "CONNECT" || method === "TRACE") {
    throw unprocessable("payload.method", "expected a method like GET or POST; CONNECT and TRACE are not sent");
  }
  return method;
}

/** Names in lower case. */
function parseHeaders(value: unknown): Record<string, string> {
  const headers = Object.create(null) as Record<string, string>;
  const entries = Object.entries(recordOf(value, "payload.headers"));
  if (entries.length > limits.httpHeadersMax) throw unprocessable("payload.headers", `at most ${limits.httpHeadersMax} are allowed`);
  for (const [spelled, content] of entries) {
    const name = spelled.toLowerCase();
    const field = `payload.headers.${spelled}`;
    if (!TOKEN.test(name)) throw unprocessable("payload.headers", `${JSON.stringify(spelled)} is not a header name`);
    if (OWN_HEADERS.has(name) || OWN_PREFIXES.some((prefix) => name.startsWith(prefix))) {
      throw unprocessable(field, "is set by Pawl or belongs to the connection");
    }
    if (Object.hasOwn(headers, name)) throw unprocessable(field, "is given twice, in two spellings");
    if (!VALUE.test(textOf(content, field))) {
      throw unprocessable(field, "holds a control character or one beyond Latin-1");
    }
    headers[name] = textOf(content, field);
  }
  return headers;
}

function parseExpected(value: unknown): readonly number[] | undefined {
  if (value === undefined) return undefined;
  const statuses: readonly unknown[] = Array.isArray(value) ? value : [value];
  const valid = statuses.every((status) => typeof status === "number" && Number.isInteger(status) && status >= 200 && status <= 599);
  if (!valid || statuses.length === 0 || statuses.length > 400) {
    throw unprocessable("payload.expected_status", "expected a status from 200 to 599, or a list of them");
  }
  return statuses as readonly number[];
}

/** What every request carries, so that a target can deduplicate, fence and correlate. */
export function pawlHeaders(context: RunContext): Record<string, string> {
  const { executionId, token, attempt, jobId, scheduledAtMs } = context;
  return {
    "idempotency-key": executionId,
    "pawl-fencing-token": token,
    "pawl-attempt": String(attempt),
    "pawl-job-id": headerText(jobId),
    "pawl-scheduled-at": formatInstant(scheduledAtMs),
    traceparent: traceparent(executionId, token),
  };
}

/** Job ids of another alphabet than a header's are percent-encoded. */
function headerText(value: string): string {
  return /^[\x21-\x7e]*$/.test(value) ? value : encodeURIComponent(value);
}

/** W3C Trace Context: one trace per execution, one span per attempt, computed so that whoever knows the id finds the trace. */
function traceparent(executionId: string, token: string): string {
  const trace = createHash("sha256").update(executionId).digest("hex").slice(0, 32);
  const span = createHash("sha256").update(`${executionId}/${token}`).digest("hex").slice(0, 16);
  return `00-${trace}-${span}-01`;
}

/** The error text when the status is not as expected; undefined when it is. */
export function statusError(request: HttpRequest, status: number, location: string | undefined): string | undefined {
  const fits = request.expected?.includes(status) ?? (status >= 200 && status <= 299);
  if (fits) return undefined;
  const wanted = request.expected?.join(", ") ?? "200-299";
  if (status < 300 || status > 399) return `HTTP ${status}, expected ${wanted}`;
  return `HTTP ${status}, expected ${wanted}: redirects are not followed${location === undefined ? "" : ` (to ${location})`}`;
}

