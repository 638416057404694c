// Owns: the calls that a program can make to a cluster, typed. How they are tried over servers is in caller.ts, how bytes travel in
// transport.ts. Every call rejects with a PawlError; for changes its outcome says whether something may have happened.

import { PawlError, messageOf } from "../base/errors.ts";
import { limits } from "../limits.ts";
import { realSystem } from "../system.ts";
import type { System } from "../system.ts";
import { Caller, textOf } from "./caller.ts";
import type { ClientCall } from "./caller.ts";
import { sentEvents } from "./eventstream.ts";
import { importLines, linesOf } from "./import.ts";
import { TransportError, networkTransport } from "./transport.ts";
import type { Transport } from "./transport.ts";
import type {
  CancelledExecution, ChangeOptions, Changed, Cluster, Execution, ExecutionFilter, ImportOptions, ImportProgress, Job, JobChange, JobFilter,
  ListedJob, NewJob, NewMember, Node, Output, Page, PageOptions, PawlEvent, Preview, PreviewedSchedule, ReadOptions, Triggered,
} from "./types.ts";

const API = "/api/v1";

export type ClientOptions = {
  /** Servers of one cluster, like "https://10.0.0.1:7500"; any of them takes any call. */
  readonly servers?: readonly string[] | undefined;
  readonly server?: string | undefined;
  readonly token: string;
  /** PEM text of the certificate authority to trust instead of the system's. */
  readonly ca?: string | undefined;
  /** Replaces the network, for embedded nodes. */
  readonly transport?: Transport | undefined;
  readonly system?: System | undefined;
};

export type EventOptions = {
  /** Id of the last event seen; from now on when absent. */
  readonly after?: string | undefined;
  readonly signal?: AbortSignal | undefined;
};

export type Client = ReturnType<typeof createClient>;

export function createClient(options: ClientOptions) {
  const servers = options.servers ?? (options.server === undefined ? [] : [options.server]);
  if (servers.length === 0) throw new PawlError("config", "a client needs a server");
  const transport = options.transport ?? networkTransport(options.ca);
  const caller = new Caller({ servers, token: options.token, transport, system: options.system ?? realSystem });
  const json = <T>(call: ClientCall): Promise<T> => caller.run(call, async (response) => parsed<T>(await textOf(response)));
  return {
    jobs: jobCalls(caller, json),
    executions: executionCalls(caller, json),
    schedules: {
      /** Next due times of schedules that need not exist; a wrong one is an error in its place. */
      preview: async (schedules: readonly PreviewedSchedule[]): Promise<Preview[]> =>
        (await json<{ results: Preview[] }>({ method: "POST", path: `${API}/schedules/preview`, body: { schedules } })).results,
    },
    cluster: clusterCalls(caller, json),
    nodes: { list: (read: ReadOptions = {}) => json<Node[]>({ method: "GET", path: `${API}/nodes${queryOf(read)}` }) },
    /** Events as they happen, over broken connections, none twice. Ends with `signal`; throws "gone" when some were dropped. */
    events: (given: EventOptions = {}) => events(caller, given),
    /** Any call by method and path; the answer as text. */
    request: (call: ClientCall): Promise<{ status: number; text: string }> =>
      caller.run(call, async (response) => ({ status: response.status, text: await textOf(response) })),
    /** Closes kept connections. */
    close: () => transport.close(),
  };
}

type Json = <T>(call: ClientCall) => Promise<T>;

function jobCalls(caller: Caller, json: Json) {
  const path = (jobId: string, rest = ""): string => `${API}/jobs/${encodeURIComponent(jobId)}${rest}`;
  const change = <T>(method: "POST" | "PUT" | "DELETE", at: string, options: ChangeOptions | undefined, body?: unknown): Promise<T> =>
    json<T>({ method, path: at, body, change: true, idempotencyKey: options?.idempotencyKey });
  return {
    submit: (job: NewJob, options?: ChangeOptions) => change<Changed<"submitted">>("POST", `${API}/jobs`, options, job),
    update: (jobId: string, fields: JobChange, options?: ChangeOptions) => change<Changed<"updated">>("PUT", path(jobId), options, fields),
    /** Running executions end by themselves unless `running` is "cancel". */
    cancel: (jobId: string, options?: ChangeOptions & { running?: "leave" | "cancel" }) =>
      change<Changed<"cancelled">>("DELETE", path(jobId, queryOf({ running: options?.running })), options),
    pause: (jobId: string, options?: ChangeOptions) => change<Changed<"paused">>("POST", path(jobId, "/pause"), options),
    resume: (jobId: string, options?: ChangeOptions) => change<Changed<"resumed">>("POST", path(jobId, "/resume"), options),
    trigger: (jobId: string, options?: ChangeOptions) => change<Triggered>("POST", path(jobId, "/trigger"), options),
    get: (jobId: string, read: ReadOptions = {}) => json<Job>({ method: "GET", path: path(jobId, queryOf(read)) }),
    /** Submits many jobs, each on its own, and yields how far it is; what stops it is thrown, to go on from the last cursor. */
    import: (jobs: Iterable<NewJob> | AsyncIterable<NewJob>, options: ImportOptions = {}): AsyncGenerator<ImportProgress, void> =>
      importLines(caller, linesOf(jobs), options),
    /** As `import`, with a text that has a job on each line. */
    importLines: (text: AsyncIterable<Uint8Array>, options: ImportOptions = {}): AsyncGenerator<ImportProgress, void> =>
      importLines(caller, text, options),
    /** All jobs that fit, fetched page by page while they are read. */
    list: (filter: JobFilter = {}) => pages<ListedJob>(caller, `${API}/jobs`, filter),
    page: (filter: JobFilter & PageOptions = {}) => page<ListedJob>(caller, `${API}/jobs`, filter),
  };
}

/** Changes answer with the cluster, which may not show yet what was asked for: ask its status until it does. */
function clusterCalls(caller: Caller, json: Json) {
  const path = (rest: string): string => `${API}/cluster${rest}`;
  const change = (method: "POST" | "DELETE", at: string, body?: unknown): Promise<Cluster> =>
    json<Cluster>({ method, path: at, body, change: true });
  const member = (id: string, rest = ""): string => path(`/members/${encodeURIComponent(id)}${rest}`);
  return {
    status: (read: ReadOptions = {}) => json<Cluster>({ method: "GET", path: path(queryOf(read)) }),
    /** Says that the leader's clock is right, after a gap so long that it waits for that. */
    confirmClock: () => json<{ status: "confirmed" }>({ method: "POST", path: path("/clock/confirm"), change: true }),
    /** Sets the cluster's clock back to the wall clocks, after a wrong one had moved it ahead. */
    lowerClock: () => json<{ status: "lowered" }>({ method: "POST", path: path("/clock/lower"), change: true }),
    add: (added: NewMember) => change("POST", path("/members"), added),
    /** Refused when the cluster would bear fewer losses without it, unless `force` is true. */
    remove: (id: string, options: { force?: boolean } = {}) =>
      change("DELETE", member(id, queryOf({ force: options.force === true ? "true" : undefined }))),
    promote: (id: string) => change("POST", member(id, "/promote")),
    /** Makes a voter a learner that is promoted again when it has caught up. Refused as `remove` is, unless `force` is true. */
    demote: (id: string, options: { force?: boolean } = {}) =>
      change("POST", member(id, `/demote${queryOf({ force: options.force === true ? "true" : undefined })}`)),
    /** The file of a backup of one server's state, piece by piece. Reading it throws "unavailable" when it breaks off. */
    backup: (): Promise<AsyncIterable<Uint8Array>> =>
      caller.run({ method: "GET", path: path("/backup") }, async ({ body }) => unbroken(body)),
    /** Hands leadership to this member, or to the voter that is furthest. */
    transfer: (to?: string) => change("POST", path("/transfer"), to === undefined ? {} : { to }),
  };
}

function executionCalls(caller: Caller, json: Json) {
  const path = (executionId: string, rest = ""): string => `${API}/executions/${encodeURIComponent(executionId)}${rest}`;
  return {
    get: (executionId: string, read: ReadOptions = {}) => json<Execution>({ method: "GET", path: path(executionId, queryOf(read)) }),
    /** All executions that fit, newest first, fetched page by page while they are read. */
    list: (filter: ExecutionFilter = {}) => pages<Execution>(caller, `${API}/executions`, filter),
    page: (filter: ExecutionFilter & PageOptions = {}) => page<Execution>(caller, `${API}/executions`, filter),
    cancel: (executionId: string, { idempotencyKey }: ChangeOptions = {}) =>
      json<CancelledExecution>({ method: "POST", path: path(executionId, "/cancel"), change: true, idempotencyKey }),
    logs: (executionId: string) =>
      json<Output[]>({ method: "GET", path: path(executionId, "/logs"), headers: { accept: "application/json" } }),
  };
}

async function* unbroken(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* body;
  } catch (error) {
    const message = `what the server sends broke off: ${messageOf(error)}; try again, or ask another one`;
    throw new PawlError("unavailable", message, { cause: error });
  }
}

type Query = Readonly<Record<string, string | number | undefined>>;

async function* pages<T>(caller: Caller, path: string, filter: Query): AsyncGenerator<T, void, undefined> {
  let cursor: string | undefined;
  do {
    const found: Page<T> = await page<T>(caller, path, { ...filter, cursor });
    yield* found.items;
    cursor = found.cursor;
  } while (cursor !== undefined);
}

/** One page, perhaps an empty one; its cursor is the one of the next page, absent on the last. */
function page<T>(caller: Caller, path: string, filter: Query): Promise<Page<T>> {
  return caller.run({ method: "GET", path: path + queryOf(filter) }, async (response) => {
    const next = /<([^>]+)>; rel="next"/.exec(response.header("link") ?? "")?.[1];
    const cursor = next === undefined ? null : new URL(next, "http://server").searchParams.get("cursor");
    const items = parsed<T[]>(await textOf(response));
    return cursor === null ? { items } : { items, cursor };
  });
}

/** A break costs a new connection, not an event: the next one starts after the last id that was handed out. */
async function* events(caller: Caller, { after, signal }: EventOptions): AsyncGenerator<PawlEvent, void, undefined> {
  let last = after;
  let failures = 0;
  const ended = (): boolean => signal?.aborted === true;
  while (!ended()) {
    const path = `${API}/events${queryOf({ after: last })}`;
    try {
      const stream = await caller.run({ method: "GET", path, signal }, async (response) => sentEvents(response));
      for await (const sent of stream) {
        failures = 0;
        if (sent.id !== "") last = sent.id;
        if (sent.data !== "") yield parsed<PawlEvent>(sent.data);
      }
    } catch (error) {
      if (ended()) return;
      if (!(error instanceof TransportError)) throw error;
    }
    failures++;
    if (failures > limits.clientTriesMax) throw new PawlError("unavailable", "the stream of events breaks off again and again");
    await caller.pause(failures);
  }
}

function parsed<T>(text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new TransportError("the answer is not JSON", true, error);
  }
}

function queryOf(fields: Query): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) params.set(name, String(value));
  const text = params.toString();
  return text === "" ? "" : `?${text}`;
}
