// Owns: graphile-worker on PostgreSQL, as its page on performance recommends: addJobs in batches, a local queue, completions in batches.

import { inBatches, range } from "./batches.ts";
import { load, versionOf } from "./packages.ts";
import type { Caller, Peer } from "./peer.ts";
import { storeVersion } from "./stores.ts";
import type { Tally } from "./tally.ts";

const BATCH = 5_000;
const PARALLEL = 2;
const PROCESSES = 2;
const CONCURRENCY = 24;
const LOCAL_QUEUE = 500;
/** Its default of 2 s would be the lateness of everything that is due later. */
const POLL_MS = 100;

const batching = { localQueue: { size: LOCAL_QUEUE }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };

type Payload = { readonly dueAtMs: number };
type JobSpec = { readonly identifier: string; readonly payload: Payload; readonly runAt?: Date };
type AddJobs = (jobs: readonly JobSpec[]) => Promise<unknown>;
type Task = (payload: Payload, helpers: { readonly addJobs: AddJobs }) => Promise<unknown>;
type Pool = {
  query(sql: string): Promise<{ readonly rows: readonly { readonly count: string }[] }>;
  on(event: "error", listener: (error: Error) => void): void;
  on(event: "connect", listener: (client: { on(event: "error", listener: (error: Error) => void): void }) => void): void;
  end(): Promise<void>;
};
type Utils = { migrate(): Promise<void>; readonly addJobs: AddJobs; release(): Promise<void> };

type GraphileWorker = {
  makeWorkerUtils(options: { pgPool: Pool; logger: unknown }): Promise<Utils>;
  run(options: { preset: unknown; pgPool: Pool; logger: unknown; taskList: Record<string, Task> }): Promise<{ stop(): Promise<void> }>;
  readonly Logger: new (make: () => () => void) => unknown;
};
type Pg = { readonly default: { readonly Pool: new (options: { host: string; user: string; database: string; max: number }) => Pool } };

async function poolOf(at: string): Promise<Pool> {
  const { default: { Pool } } = await load<Pg>("pg");
  const pool = new Pool({ host: at, user: "pawl", database: "postgres", max: CONCURRENCY + 1 });
  const tell = (error: Error): void => void process.stderr.write(`graphile-worker: ${error.message}\n`);
  pool.on("error", tell);
  pool.on("connect", (client) => client.on("error", tell));
  return pool;
}

class GraphileCaller implements Caller {
  private readonly pool: Pool;
  private readonly utils: Utils;

  constructor(pool: Pool, utils: Utils) {
    this.pool = pool;
    this.utils = utils;
  }

  async submit(count: number, dueAtMs: (at: number) => number): Promise<void> {
    await this.add("once", count, dueAtMs);
  }

  async tick(count: number): Promise<void> {
    const firstMs = Date.now() + 1_000;
    await this.add("tick", count, (at) => firstMs + ((at * 617) % 1_000));
  }

  async remaining(): Promise<number> {
    const { rows } = await this.pool.query("select count(*) from graphile_worker.jobs");
    return Number(rows[0]?.count);
  }

  async close(): Promise<void> {
    await this.utils.release();
    await this.pool.end();
  }

  private async add(identifier: string, count: number, dueAtMs: (at: number) => number): Promise<void> {
    await inBatches(count, BATCH, PARALLEL, (from, to) => {
      return this.utils.addJobs(range(from, to, (at) => jobSpec(identifier, dueAtMs(at))));
    });
  }
}

function jobSpec(identifier: string, dueAtMs: number): JobSpec {
  return { identifier, payload: { dueAtMs }, runAt: new Date(dueAtMs) };
}

/** Successors that handlers ask for in one turn of the loop are added together; each handler waits until its own is stored. */
class Successors {
  private jobs: JobSpec[] = [];
  private added: Promise<unknown> | undefined;

  add(dueAtMs: number, addJobs: AddJobs): Promise<unknown> {
    this.jobs.push(jobSpec("tick", dueAtMs));
    this.added ??= new Promise((resolve) => setImmediate(resolve)).then(() => {
      const { jobs } = this;
      this.jobs = [];
      this.added = undefined;
      return addJobs(jobs);
    });
    return this.added;
  }
}

export function graphileWorker(): Peer {
  return {
    facts: {
      name: "graphile-worker",
      versions: `${versionOf("graphile-worker")}, ${storeVersion("postgres")}`,
      durability: "PostgreSQL's defaults: fsync on, synchronous_commit on; one copy",
      bulk: `addJobs of ${BATCH} jobs, ${PARALLEL} under way`,
      handling: `${PROCESSES} processes, ${CONCURRENCY} jobs each, localQueue ${LOCAL_QUEUE}, batched completions, poll ${POLL_MS} ms`,
      ticking: "jobs that add their successor, due a second later, by addJobs for all of a turn: its cron knows no seconds",
    },
    store: "postgres",
    processes: PROCESSES,
    async open(at: string): Promise<Caller> {
      const { makeWorkerUtils, Logger } = await load<GraphileWorker>("graphile-worker");
      const pool = await poolOf(at);
      const utils = await makeWorkerUtils({ pgPool: pool, logger: new Logger(() => () => undefined) });
      await utils.migrate();
      return new GraphileCaller(pool, utils);
    },
    async handle(at: string, tally: Tally): Promise<() => Promise<void>> {
      const { run, Logger } = await load<GraphileWorker>("graphile-worker");
      const pool = await poolOf(at);
      const successors = new Successors();
      const tick: Task = async ({ dueAtMs }, { addJobs }) => {
        tally.note(dueAtMs);
        await successors.add(dueAtMs + 1_000, addJobs);
      };
      const runner = await run({
        preset: { worker: { ...batching, concurrentJobs: CONCURRENCY, pollInterval: POLL_MS } },
        pgPool: pool,
        logger: new Logger(() => () => undefined),
        taskList: { tick, once: async ({ dueAtMs }) => tally.note(dueAtMs) },
      });
      return async () => {
        await runner.stop();
        await pool.end();
      };
    },
  };
}
