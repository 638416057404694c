// Owns: who may speak to the face: the bearer token, what a principal may do, and what a browser may not do for another site.
// (A6) There is no way to run without a token, and no way to listen beyond this machine without TLS.
// (A7) Tokens are compared in constant time, each in a field of the size of the longest, so that neither content nor length of the right
//      one shows in the answer's time.

import { timingSafeEqual } from "node:crypto";
import { isLoopback } from "../base/address.ts";
import { PawlError } from "../base/errors.ts";
import { limits } from "../limits.ts";
import { HttpRefusal } from "./problem.ts";

export const permissions = [
  "jobs:read", "jobs:write", "jobs:trigger", "executions:read", "executions:cancel", "logs:read",
  "schedules:preview", "events:read", "cluster:read", "cluster:admin", "metrics:read", "api:read",
] as const;
export type Permission = (typeof permissions)[number];

export type Principal = { readonly name: string; readonly may: ReadonlySet<Permission> };

export type Authenticate = (authorization: string | undefined) => Principal;

const TOKEN_MAX_CHARS = 1024;
const TOKEN = `[\\x21-\\x7e]{1,${TOKEN_MAX_CHARS}}`;
const IS_TOKEN = new RegExp(`^${TOKEN}$`);
const BEARER = new RegExp(`^Bearer (${TOKEN})$`, "i");

const everything: ReadonlySet<Permission> = new Set(permissions);

/** The one token of this version belongs to "admin", who may do everything. Throws unauthorized for any other. */
export function bearerAuth(token: string): Authenticate {
  if (token === "") throw new PawlError("config", "the API needs a token: set one, or let `pawl start` make one (A6)");
  if (!IS_TOKEN.test(token)) throw new PawlError("config", `the API's token must be at most ${TOKEN_MAX_CHARS} visible ASCII characters`);
  const expected = fieldOf(token, Buffer.alloc(TOKEN_MAX_CHARS));
  const field = Buffer.alloc(TOKEN_MAX_CHARS);
  const admin: Principal = { name: "admin", may: everything };
  return (authorization) => {
    const given = BEARER.exec(authorization ?? "")?.[1];
    if (given !== undefined && timingSafeEqual(fieldOf(given, field), expected)) return admin;
    const why = authorization === undefined ? "send the header Authorization: Bearer <token>" : "this token is not known here";
    throw new HttpRefusal(401, "unauthorized", "A bearer token is needed", why, { "www-authenticate": 'Bearer realm="pawl"' });
  };
}

/** The field, filled by the token and zeros, which no token has. */
function fieldOf(token: string, field: Buffer): Buffer {
  field.fill(0).write(token, "latin1");
  return field;
}

/** Throws forbidden when the principal lacks the permission. */
export function authorize(principal: Principal, permission: Permission): void {
  if (!principal.may.has(permission)) throw new PawlError("forbidden", `${principal.name} lacks the permission ${permission}`);
}

/** Throws config unless these settings are safe to listen with (A6). */
export function checkListening(host: string, token: string, tls: boolean): void {
  if (isLoopback(host)) return;
  if (!tls) throw new PawlError("config", `refusing to listen on ${host} without TLS: give a certificate and key, or listen on 127.0.0.1`);
  if (token.length < limits.tokenMinChars) {
    throw new PawlError("config", `refusing to listen on ${host} with a token shorter than ${limits.tokenMinChars} characters`);
  }
}

export type BrowserHeaders = { readonly site: string | undefined; readonly origin: string | undefined; readonly host: string };

/** Throws forbidden when a browser sends a change on behalf of another site. Programs send neither header. */
export function refuseCrossSite(headers: BrowserHeaders): void {
  const { site, origin, host } = headers;
  const foreignSite = site !== undefined && site !== "same-origin" && site !== "none";
  const foreignOrigin = origin !== undefined && !isOf(origin, host);
  if (foreignSite || foreignOrigin) throw new PawlError("forbidden", "changes on behalf of another web site are refused");
}

/** Whether an origin's host and port are those that the request was sent to; a port left out is the one of the origin's scheme. */
function isOf(origin: string, host: string): boolean {
  const from = URL.parse(origin);
  return from !== null && from.host !== "" && from.host === URL.parse(`${from.protocol}//${host}`)?.host;
}
