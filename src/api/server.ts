// Owns: the HTTP server of a node: one Fastify, the order in which a request is checked, and how everything that goes wrong is answered.
// What the routes do is in the files of the routes; who may call them in auth.ts and registry.ts.
// (A16) Nothing of a request is read before its token is known to be good: a body costs memory only to those who may send one.
// (A17) A BugError ends the process also when a request met it: the state behind it is not to be trusted.

import swagger from "@fastify/swagger";
import { LogController, fastify } from "fastify";
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest, FastifyServerOptions } from "fastify";
import type { InjectOptions, LightMyRequestResponse } from "fastify";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { BugError, PawlError } from "../base/errors.ts";
import { limits } from "../limits.ts";
import type { System } from "../system.ts";
import { authorize, bearerAuth, checkListening, refuseCrossSite } from "./auth.ts";
import type { Authenticate } from "./auth.ts";
import type { Backend } from "./backend.ts";
import { BodyStream } from "./bodystream.ts";
import { bulkRoutes } from "./bulk.ts";
import { clusterRoutes } from "./cluster.ts";
import { eventStreams } from "./events.ts";
import { executionRoutes } from "./executions.ts";
import { jobRoutes } from "./jobs.ts";
import { parseBody } from "./json.ts";
import { previewRoutes } from "./preview.ts";
import { HttpRefusal, problemOf } from "./problem.ts";
import { NDJSON, methodsOf, mount, requireForm, routeOf } from "./registry.ts";
import type { Route } from "./registry.ts";

export type ApiOptions = {
  readonly backend: Backend;
  /** The bearer token of "admin". */
  readonly token: string;
  /** Port 0 takes any free one. */
  readonly listen: { readonly host: string; readonly port: number };
  /** PEM texts; needed beyond loopback. */
  readonly tls?: { readonly key: string; readonly cert: string } | undefined;
  readonly system: System;
  /** A pino logger, or false for silence. */
  readonly logger: FastifyBaseLogger | false;
};

export type Api = {
  /** Starts to listen; answers the address as a URL. Throws PawlError "config" when the settings are not safe to listen with (A6). */
  listen(): Promise<string>;
  /** Ends streams, lets running requests end, closes connections. */
  close(): Promise<void>;
  /** Sends a request without a socket, for embedded nodes and tests. */
  inject(request: InjectOptions): Promise<LightMyRequestResponse>;
  /** The live route table. */
  readonly routes: readonly Route[];
};

/** Builds the server without listening. Rejects when a route is not declared (A11) or there is no token (A6). */
export async function createApi(options: ApiOptions): Promise<Api> {
  const { backend, system, listen, token } = options;
  const authenticate = bearerAuth(token);
  const app = bareServer(options, authenticate);
  const streams = eventStreams(backend, system);
  await describeApi(app, backend);
  const routes = [
    ...jobRoutes(backend, system),
    ...bulkRoutes(backend, system),
    ...executionRoutes(backend),
    ...previewRoutes(system),
    ...streams.routes,
    ...clusterRoutes(backend, () => app.swagger()),
  ];
  const principals = guard(app, authenticate, backend);
  answerFailures(app, routes, system);
  app.addHook("preClose", async () => streams.close());
  mount(app, routes, (request) => principals.get(request) ?? "");
  await app.ready();
  return {
    listen: async () => {
      checkListening(listen.host, token, options.tls !== undefined);
      return app.listen(listen);
    },
    close: () => app.close(),
    inject: (request) => app.inject(request),
    routes,
  };
}

function bareServer({ tls, logger, system }: ApiOptions, authenticate: Authenticate): FastifyInstance {
  // Typed as plain HTTP/1.1: Fastify's types differ by server, its requests and replies do not in what is used here.
  const transport: object =
    tls === undefined
      ? { http: { maxHeaderSize: limits.headersMaxBytes } }
      : { http2: true, https: secureOptions(tls), http2SessionTimeout: limits.keepAliveMs };
  const settings: FastifyServerOptions = {
    ...transport,
    ...(logger === false ? { logger: false } : { loggerInstance: logger }),
    logController: new LogController({ disableRequestLogging: true }),
    // A logger of its own for each request would be made for one that fails, if any.
    childLoggerFactory: (own) => own,
    bodyLimit: limits.bodyMaxBytes,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveMs,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    // Three characters of a path may stand for one of an id.
    routerOptions: { maxParamLength: 3 * limits.jobIdMaxChars },
    clientErrorHandler: (error, socket) => {
      if (!isOfList(error, socket)) answerGarbage(error, socket);
    },
    frameworkErrors: (error, request, reply) => void fail(request, reply, refusalBefore(error, request, authenticate), undefined),
  };
  const app: FastifyInstance = fastify(settings);
  app.server.maxConnections = limits.connectionsMax;
  const note = (error: Error): void => app.log.debug({ err: error }, "a connection failed");
  for (const event of ["sessionError", "tlsClientError"]) app.server.on(event, note);
  // A peer that breaks off must not end the process: connections and sessions report it where nobody else listens.
  for (const event of ["session", "connection", "secureConnection"]) {
    app.server.on(event, (source: NodeJS.EventEmitter) => void source.on("error", note));
  }
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (request: FastifyRequest, body: Buffer, done) => {
    settle(done, () => {
      requireForm(request, false);
      return parseBody(body);
    });
  });
  app.addContentTypeParser(NDJSON, async (request: FastifyRequest, source: IncomingMessage) => {
    requireForm(request, true);
    sendingLists.add(source.socket);
    source.once("close", () => sendingLists.delete(source.socket));
    return new BodyStream(source, system);
  });
  return app;
}

/** Without a promise, as Fastify waits for one over several turns of the queue of microtasks. */
function settle<T>(done: (error: Error | null, value?: T) => void, run: () => T): void {
  let value: T;
  try {
    value = run();
  } catch (error) {
    return done(error instanceof Error ? error : new BugError(String(error)));
  }
  done(null, value);
}

/** Connections on which a list is coming. */
const sendingLists = new WeakSet<object>();

/** A list may take longer than a request with a small body: how long its sender may be silent is bounded where it is read. */
function isOfList(error: Error, socket: Socket): boolean {
  return "code" in error && error.code === "ERR_HTTP_REQUEST_TIMEOUT" && sendingLists.has(socket);
}

/** Fastify refuses an unreadable URL before any hook: a caller without a token learns of the token first all the same. */
function refusalBefore(error: unknown, request: FastifyRequest, authenticate: Authenticate): unknown {
  try {
    authenticate(request.headers.authorization);
    return error;
  } catch (refusal) {
    return refusal;
  }
}

function secureOptions({ key, cert }: { readonly key: string; readonly cert: string }): object {
  return {
    key,
    cert,
    minVersion: "TLSv1.2",
    allowHTTP1: true,
    maxHeaderSize: limits.headersMaxBytes,
    maxHeaderListPairs: limits.headerPairsMax,
    maxSessionMemory: 4,
    settings: { maxConcurrentStreams: limits.streamsPerConnectionMax, maxHeaderListSize: limits.headersMaxBytes },
  };
}

async function describeApi(app: FastifyInstance, backend: Backend): Promise<void> {
  const { clusterName, version } = backend.memberApi();
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title: "Pawl", version, description: `HTTP API of the cluster ${clusterName}` },
      components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
      security: [{ token: [] }],
    },
  });
}

/** Checks token, permission and origin of every request, known route or not, before its body is read (A16). */
function guard(app: FastifyInstance, authenticate: Authenticate, backend: Backend): WeakMap<FastifyRequest, string> {
  const principals = new WeakMap<FastifyRequest, string>();
  const { selfId } = backend.memberApi();
  const check = (request: FastifyRequest, reply: FastifyReply): void => {
    reply.header("x-content-type-options", "nosniff").header("cache-control", "no-store");
    const route = routeOf(request);
    if (route?.permission === "public") return;
    const principal = authenticate(request.headers.authorization);
    reply.header("pawl-node", selfId);
    const { "sec-fetch-site": site, origin } = request.headers;
    if ((site !== undefined || origin !== undefined) && isChange(request)) {
      refuseCrossSite({ site: [site].flat()[0], origin, host: request.host });
    }
    if (route !== undefined) authorize(principal, route.permission);
    principals.set(request, principal.name);
  };
  app.addHook("onRequest", (request, reply, done) => settle((error) => done(error ?? undefined), () => check(request, reply)));
  return principals;
}

function isChange(request: FastifyRequest): boolean {
  return routeOf(request)?.change ?? !["GET", "HEAD", "OPTIONS"].includes(request.method);
}

function answerFailures(app: FastifyInstance, routes: readonly Route[], system: System): void {
  app.setErrorHandler((error, request, reply) => fail(request, reply, error, system));
  app.setNotFoundHandler((request) => {
    const path = request.url.split("?", 1)[0] ?? "";
    const methods = methodsOf(routes, path);
    if (methods.length === 0) throw new PawlError("not_found", `there is no ${path}`);
    const allow = methods.join(", ");
    throw new HttpRefusal(405, "invalid", "Method not allowed", `${request.method} is not possible here, but ${allow} is`, { allow });
  });
}

function fail(request: FastifyRequest, reply: FastifyReply, error: unknown, system: System | undefined): FastifyReply {
  const { problem, headers, unexpected } = problemOf(error, isChange(request));
  if (unexpected) request.log.error({ err: error, method: request.method, url: request.url }, "a request failed");
  if (error instanceof BugError) system?.soon(() => raise(error));
  // As bytes: Fastify would add a charset to a text, which this media type does not have.
  return reply.code(problem.status).headers({ ...headers }).type("application/problem+json").send(Buffer.from(JSON.stringify(problem)));
}

/** In a turn of its own, so that nothing on the way can hold it up (A17). */
function raise(error: BugError): never {
  throw error;
}

/** What is not HTTP at all gets an answer without Fastify. */
function answerGarbage(error: Error, socket: Socket): void {
  if (socket.destroyed || !socket.writable) return;
  const why = "code" in error ? String(error.code) : "unreadable";
  const body = JSON.stringify(problemOf(new PawlError("invalid", `not an HTTP request: ${why}`), false).problem);
  const head = `Content-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close`;
  socket.end(`HTTP/1.1 400 Bad Request\r\n${head}\r\n\r\n${body}`);
}
