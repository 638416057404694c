// Owns: what a route is, and the only way to register one. A route says which permission it needs, whether it changes anything and
// what its input looks like; Fastify, the OpenAPI document and the tests all read the same table.
// (A11) Fastify serves no route that is not in the table: one that was added past it stops the start.
// (A12) A route's handler runs only after token, permission, origin and input were checked; handlers never see Fastify.

import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Compile } from "typebox/compile";
import { Value } from "typebox/value";
import type { Static, TObject, TSchema } from "typebox";
import { PawlError } from "../base/errors.ts";
import type { ChangeOrigin } from "../jobs/views.ts";
import { limits } from "../limits.ts";
import type { Permission } from "./auth.ts";
import { problem } from "./answers.ts";
import { canonicalHash } from "./json.ts";
import { InputError } from "./problem.ts";
import type { FieldError } from "./problem.ts";
import { isJobId, isMemberId, laterFields } from "./schemas.ts";

export const PREFIX = "/api/v1";

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
  readonly query: TObject;
  readonly answers: Readonly<Record<number, TSchema>>;
  readonly contentType?: string | undefined;
  handle(call: Call<unknown, unknown>): Promise<Result> | Result;
};

type RouteOf<Body extends TObject, Query extends TObject> = Omit<Route, "body" | "query" | "handle"> & {
  readonly body?: Body;
  readonly query: Query;
  handle(call: Call<Static<Body>, Static<Query>>): Promise<Result> | Result;
};

/** Makes a row of the table; the handler's input has the types of its schemas, because nothing else reaches it (A12). */
export function route<Body extends TObject, Query extends TObject>(row: RouteOf<Body, Query>): Route {
  return { ...row, body: row.body, handle: (call) => row.handle(call as Call<Static<Body>, Static<Query>>) };
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
      ...(row.body === undefined ? {} : { body: row.body }),
      querystring: row.query,
      response: { ...answersOf(row), default: content("application/problem+json", problem) },
    },
    handler: async (request, reply) => {
      if (row.body === undefined) refuseBody(request.body);
      return answer(reply, await row.handle(callOf(row, request, principalOf(request))));
    },
  });
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
      ...(key === undefined ? {} : { key, bodyHash: canonicalHash(params, request.query, request.body ?? null) }),
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

type Validator = (value: unknown) => { value: unknown } | { error: PawlError };

function validator(schema: TSchema, isBody: boolean): Validator {
  const compiled = Compile(schema);
  return (value) => {
    const converted = isBody ? value : Value.Convert(schema, value);
    return compiled.Check(converted) ? { value: converted } : { error: inputError(compiled.Errors(converted), isBody) };
  };
}

type SchemaError = ReturnType<ReturnType<typeof Compile>["Errors"]>[number];

/** Says each wrong field once. A field that only a later version knows is a request that cannot be done, not a malformed one. */
function inputError(found: readonly SchemaError[], isBody: boolean): InputError {
  const errors = new Map<string, FieldError>();
  for (const each of found) {
    for (const error of fieldErrors(each)) if (!errors.has(error.field)) errors.set(error.field, error);
  }
  const all = [...errors.values()];
  const later = isBody ? all.filter(({ field }) => laterFields.has(field)) : [];
  if (later.length === 0 || later.length < all.length) return new InputError("invalid", all);
  return new InputError("unprocessable", later.map(({ field }) => ({ field, detail: `${field}: not supported by this version` })));
}

function fieldErrors(error: SchemaError): FieldError[] {
  const at = error.instancePath.slice(1).split("/").filter((part) => part !== "").join(".");
  const inner = (name: string): string => (at === "" ? name : `${at}.${name}`);
  if (error.keyword === "required") {
    return error.params.requiredProperties.map((name) => ({ field: inner(name), detail: `${inner(name)}: is required` }));
  }
  if (error.keyword === "additionalProperties") {
    return error.params.additionalProperties.map((name) => ({ field: inner(name), detail: `${inner(name)}: there is no such field` }));
  }
  if (error.keyword === "boolean") return [];
  return [{ field: at, detail: at === "" ? `the body ${error.message}` : `${at}: ${messageFor(error)}` }];
}

function messageFor(error: SchemaError): string {
  return error.keyword === "enum" ? `must be one of ${error.params.allowedValues.join(", ")}` : error.message;
}
