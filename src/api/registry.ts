// Owns: what a route is, and the only way to register one. A route says which permission it needs, whether it changes anything and
// what its input looks like; Fastify, the OpenAPI document and the tests all read the same table.
// (A11) Fastify serves no route that is not in the table: one that was added past it stops the start.
// (A12) A route's handler runs only after token, permission, origin and input were checked; handlers never see Fastify.

import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Static, TObject, TSchema } from "typebox";
import { PawlError } from "../base/errors.ts";
import type { ChangeOrigin } from "../jobs/views.ts";
import { limits } from "../limits.ts";
import type { Permission } from "./auth.ts";
import { problem } from "./answers.ts";
import { canonicalHash } from "./json.ts";
import type { BodyStream } from "./bodystream.ts";
import { unsupported } from "./problem.ts";
import { isJobId, isMemberId } from "./schemas.ts";
import { validator } from "./validation.ts";
import type { Validator } from "./validation.ts";

export const PREFIX = "/api/v1";
/** The media type of a list. */
export const NDJSON = "application/x-ndjson";

export type Method = "GET" | "POST" | "PUT" | "DELETE";
/** What a path names; each is checked before use, and one that cannot exist is not found. */
export type ParamName = "job_id" | "execution_id" | "member_id";

/** One request, checked. */
export type Call<Body, Query> = {
  readonly body: Body;
  readonly query: Query;
  readonly url: string;
  header(name: string): string | undefined;
  param(name: ParamName): string;
  /** Who asks, with which key: to be handed on with a change. */
  readonly origin: ChangeOrigin;
};

export type Result = {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON unless it is a text or a stream, which need `contentType`. */
  readonly body: unknown;
  readonly contentType?: string;
};

export type Route = {
  readonly method: Method;
  readonly path: string;
  /** "public" routes need no token. */
  readonly permission: Permission | "public";
  /** True when it changes replicated state: failures then carry an outcome, and the Idempotency-Key is read. */
  readonly change: boolean;
  readonly summary: string;
  readonly body: TObject | undefined;
  /** True when the body is a list, with one value of that schema on each line, which the handler reads as it comes. */
  readonly isList: boolean;
  readonly query: TObject;
  readonly answers: Readonly<Record<number, TSchema>>;
  readonly contentType?: string | undefined;
  handle(call: Call<unknown, unknown>): Promise<Result> | Result;
};

type Row = Omit<Route, "body" | "isList" | "query" | "handle">;
type RouteOf<Body extends TObject, Query extends TObject> = Row & {
  readonly body?: Body;
  readonly query: Query;
  handle(call: Call<Static<Body>, Static<Query>>): Promise<Result> | Result;
};
type ListRouteOf<Query extends TObject> = Row & {
  readonly body: TObject;
  readonly query: Query;
  handle(call: Call<BodyStream, Static<Query>>): Promise<Result> | Result;
};

/** Makes a row of the table; the handler's input has the types of its schemas, because nothing else reaches it (A12). */
export function route<Body extends TObject, Query extends TObject>(row: RouteOf<Body, Query>): Route {
  return { ...row, body: row.body, isList: false, handle: (call) => row.handle(call as Call<Static<Body>, Static<Query>>) };
}

/** As `route`, but its handler reads the body, and checks each line itself. */
export function listRoute<Query extends TObject>(row: ListRouteOf<Query>): Route {
  return { ...row, isList: true, handle: (call) => row.handle(call as Call<BodyStream, Static<Query>>) };
}

export function routeName(route: Pick<Route, "method" | "path">): string {
  return `${route.method} ${route.path}`;
}

/** Registers the table. Call it once, before anything else can add routes. */
export function mount(app: FastifyInstance, routes: readonly Route[], principalOf: (request: FastifyRequest) => string): void {
  const declared = new Map(routes.map((row) => [routeName({ ...row, path: fastifyPath(row.path) }), row]));
  if (declared.size !== routes.length) throw new PawlError("config", "the route table names a route twice (A11)");
  app.addHook("onRoute", ({ method, url }) => {
    for (const each of [method].flat()) {
      if (declared.has(`${each} ${url}`)) continue;
      const why = "is not in the table of src/api/registry.ts, so nobody said who may call it (A11)";
      throw new PawlError("config", `the route ${each} ${url} ${why}`);
    }
  });
  app.setValidatorCompiler(({ schema, httpPart }) => validator(schema as TSchema, httpPart === "body"));
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  for (const row of routes) mountRoute(app, row, principalOf);
}

/** The route behind a request; undefined when there is none. */
export function routeOf(request: FastifyRequest): Route | undefined {
  const { config } = request.routeOptions;
  return config !== undefined && "route" in config ? (config.route as Route) : undefined;
}

/** The methods that the table has for a path of a request. */
export function methodsOf(routes: readonly Route[], path: string): Method[] {
  const asked = path.split("/");
  const fits = (row: Route): boolean => {
    const parts = row.path.split("/");
    return parts.length === asked.length && parts.every((part, i) => part === asked[i] || (part.startsWith("{") && asked[i] !== ""));
  };
  return routes.filter(fits).map((row) => row.method);
}

function mountRoute(app: FastifyInstance, row: Route, principalOf: (request: FastifyRequest) => string): void {
  app.route({
    method: row.method,
    url: fastifyPath(row.path),
    config: { route: row },
    schema: {
      operationId: operationId(row),
      summary: row.summary,
      ...(row.permission === "public" ? { security: [] } : {}),
      ...bodyOf(row),
      querystring: row.query,
      response: { ...answersOf(row), default: content("application/problem+json", problem) },
    },
    // What has not been read cannot be checked.
    ...(row.isList ? { validatorCompiler: validatorOfQuery } : {}),
    handler: async (request, reply) => {
      if (row.body === undefined) refuseBody(request.body);
      if (row.isList && !request.body) throw unsupported(NDJSON);
      return answer(reply, await row.handle(callOf(row, request, principalOf(request))));
    },
  });
}

function bodyOf({ body, isList }: Route): { body?: object } {
  if (body === undefined) return {};
  return { body: isList ? { description: "One on each line", content: { [NDJSON]: { schema: body } } } : body };
}

function validatorOfQuery({ schema, httpPart }: { schema: unknown; httpPart?: string | undefined }): Validator {
  return httpPart === "body" ? (value) => ({ value }) : validator(schema as TSchema, false);
}

/** Throws unless the route of a request takes a body of this form. */
export function requireForm(request: FastifyRequest, isList: boolean): void {
  const takesList = routeOf(request)?.isList ?? isList;
  if (takesList === isList) return;
  throw unsupported(takesList ? NDJSON : "application/json");
}

/** "get_jobs_job_id": unique, because method and path are. */
function operationId({ method, path }: Route): string {
  return `${method} ${path.replace(PREFIX, "")}`.toLowerCase().replaceAll(/[^a-z_]+/g, "_").replace(/_$/, "");
}

function answersOf({ answers, contentType = "application/json" }: Route): Record<string, object> {
  return Object.fromEntries(Object.entries(answers).map(([status, schema]) => [status, content(contentType, schema)]));
}

function content(type: string, schema: TSchema): object {
  return { description: "description" in schema ? schema.description : "As asked for", content: { [type]: { schema } } };
}

/** "{job_id}" of the table is ":job_id" in Fastify. */
function fastifyPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ":$1");
}

function callOf(row: Route, request: FastifyRequest, principal: string): Call<unknown, unknown> {
  const params = request.params as Readonly<Record<string, string>>;
  const key = row.change ? idempotencyKey(request.headers["idempotency-key"]) : undefined;
  return {
    body: request.body,
    query: request.query,
    url: request.url,
    header: (name) => [request.headers[name]].flat()[0],
    param: (name) => checkedParam(name, params[name] ?? ""),
    origin: {
      principal,
      route: routeName(row),
      ...(key === undefined ? {} : { key }),
      // Of a list each chunk has its own.
      ...(key === undefined || row.isList ? {} : { bodyHash: canonicalHash(params, request.query, request.body ?? null) }),
    },
  };
}

const paramFits: Readonly<Record<ParamName, (value: string) => boolean>> = {
  job_id: isJobId,
  execution_id: (value) => /^[a-z0-9]{1,16}-[a-z0-9]{1,11}$/.test(value),
  member_id: isMemberId,
};

function checkedParam(name: ParamName, value: string): string {
  if (paramFits[name](value)) return value;
  const shown = JSON.stringify(value.slice(0, limits.jobIdMaxChars));
  throw new PawlError("not_found", `there is no ${name} ${shown}`, { field: name });
}

function idempotencyKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  const key = typeof header === "string" ? header : "";
  if (/^[\x21-\x7e]+$/.test(key) && key.length <= limits.idempotencyKeyMaxChars) return key;
  const field = "Idempotency-Key";
  throw new PawlError("invalid", `${field}: expected 1 to ${limits.idempotencyKeyMaxChars} printable characters without spaces`, { field });
}

function refuseBody(body: unknown): void {
  const empty = body === undefined || body === null || (typeof body === "object" && Object.keys(body).length === 0);
  if (empty) return;
  const field = typeof body === "object" && !Array.isArray(body) ? Object.keys(body)[0] : undefined;
  throw new PawlError("invalid", `${field === undefined ? "" : `${field}: `}this route takes no body`, { field });
}

function answer(reply: FastifyReply, result: Result): FastifyReply {
  reply.code(result.status ?? 200).headers({ ...result.headers });
  if (result.contentType !== undefined) reply.type(result.contentType);
  else if (!(result.body instanceof Readable)) reply.type("application/json; charset=utf-8");
  return reply.send(result.body);
}
