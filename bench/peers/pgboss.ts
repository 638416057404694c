// Owns: pg-boss on PostgreSQL, with what its documentation offers for throughput: insert() of many jobs, handlers of whole batches,
// several of them in a process, the next fetch at once while batches come full.

import { inBatches, range } from "./batches.ts";
import { load, versionOf } from "./packages.ts";
import type { Caller, Peer } from "./peer.ts";
import { storeVersion } from "./stores.ts";
import type { Tally } from "./tally.ts";

const BATCH = 5_000;
const PARALLEL = 2;
const PROCESSES = 1;
const FETCHED = 500;
const CONCURRENCY = 4;
/** The least that it takes. */
const POLL_S = 0.5;

type Payload = { readonly dueAtMs: number };
type Job = { readonly data: Payload };
type Work = {
  readonly batchSize: number;
  readonly localConcurrency: number;
  readonly pollingIntervalSeconds: number;
  readonly burstWhenBatchFull: boolean;
};

interface Boss {
  on(event: "error", listener: (error: Error) => void): void;
  start(): Promise<unknown>;
  stop(options: { graceful: boolean; timeout: number }): Promise<void>;
  createQueue(name: string): Promise<unknown>;
  insert(name: string, jobs: readonly { data: Payload; startAfter: Date }[], options: { returnId: boolean }): Promise<unknown>;
  work(name: string, options: Work, handler: (jobs: readonly Job[]) => Promise<void>): Promise<unknown>;
  getDb(): { executeSql(sql: string): Promise<{ rows: { count: string }[] }> };
}

type PgBoss = { readonly PgBoss: new (options: { host: string; user: string; database: string }) => Boss };

async function bossOf(at: string): Promise<Boss> {
  const { PgBoss } = await load<PgBoss>("pg-boss");
  const boss = new PgBoss({ host: at, user: "pawl", database: "postgres" });
  boss.on("error", (error) => process.stderr.write(`pg-boss: ${error.message}\n`));
  await boss.start();
  return boss;
}

async function insert(boss: Boss, queue: string, dueAtMs: readonly number[]): Promise<void> {
  await boss.insert(queue, dueAtMs.map((due) => ({ data: { dueAtMs: due }, startAfter: new Date(due) })), { returnId: false });
}

class PgBossCaller implements Caller {
  private readonly boss: Boss;

  constructor(boss: Boss) {
    this.boss = boss;
  }

  async submit(count: number, dueAtMs: (at: number) => number): Promise<void> {
    await inBatches(count, BATCH, PARALLEL, (from, to) => insert(this.boss, "once", range(from, to, dueAtMs)));
  }

  async tick(count: number): Promise<void> {
    const firstMs = Date.now() + 1_000;
    await inBatches(count, BATCH, 1, (from, to) => insert(this.boss, "tick", range(from, to, (at) => firstMs + ((at * 617) % 1_000))));
  }

  async remaining(): Promise<number> {
    const left = "select count(*) from pgboss.job where name in ('once', 'tick') and state < 'completed'";
    const { rows } = await this.boss.getDb().executeSql(left);
    return Number(rows[0]?.count);
  }

  close(): Promise<void> {
    return this.boss.stop({ graceful: true, timeout: 1_000 });
  }
}

export function pgBoss(): Peer {
  return {
    facts: {
      name: "pg-boss",
      versions: `${versionOf("pg-boss")}, ${storeVersion("postgres")}`,
      durability: "PostgreSQL's defaults: fsync on, synchronous_commit on; one copy",
      bulk: `insert of ${BATCH} jobs, ${PARALLEL} under way`,
      handling: `${PROCESSES} process, ${CONCURRENCY} workers, batches of ${FETCHED}, burstWhenBatchFull, poll ${POLL_S} s`,
      ticking: "jobs whose handler inserts their successors, due a second later: its schedules fire once a minute at most",
    },
    store: "postgres",
    processes: PROCESSES,
    async open(at: string): Promise<Caller> {
      const boss = await bossOf(at);
      await boss.createQueue("once");
      await boss.createQueue("tick");
      return new PgBossCaller(boss);
    },
    async handle(at: string, tally: Tally): Promise<() => Promise<void>> {
      const boss = await bossOf(at);
      const options = { batchSize: FETCHED, localConcurrency: CONCURRENCY, pollingIntervalSeconds: POLL_S, burstWhenBatchFull: true };
      await boss.work("once", options, async (jobs) => {
        for (const { data } of jobs) tally.note(data.dueAtMs);
      });
      await boss.work("tick", options, async (jobs) => {
        for (const { data } of jobs) tally.note(data.dueAtMs);
        await insert(boss, "tick", jobs.map(({ data }) => data.dueAtMs + 1_000));
      });
      return () => boss.stop({ graceful: true, timeout: 1_000 });
    },
  };
}
