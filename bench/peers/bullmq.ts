// Owns: bullmq on redis, as its documentation recommends for throughput: addBulk in batches of which several are under way, a worker with
// a concurrency of 100 to 300, finished jobs removed.

import { inBatches, range } from "./batches.ts";
import { load, versionOf } from "./packages.ts";
import type { Caller, Peer } from "./peer.ts";
import { storeVersion } from "./stores.ts";
import type { Tally } from "./tally.ts";

const BATCH = 1_000;
const PARALLEL = 4;
const PROCESSES = 1;
const CONCURRENCY = 200;
const NAME = "jobs";

type Connection = { readonly path: string; readonly maxRetriesPerRequest: null };
type Job = { readonly id: string; readonly data: { readonly dueAtMs?: number } };
type JobOptions = { readonly delay?: number; readonly removeOnComplete: boolean };

interface Queue {
  addBulk(jobs: readonly { name: string; data: unknown; opts: JobOptions }[]): Promise<unknown>;
  upsertJobScheduler(id: string, repeat: unknown, template: unknown): Promise<unknown>;
  getJobCounts(...states: string[]): Promise<Record<string, number>>;
  close(): Promise<void>;
}

interface Worker {
  on(event: "error", listener: (error: Error) => void): void;
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

type Bullmq = {
  readonly Queue: new (name: string, options: { connection: Connection }) => Queue;
  readonly Worker: new (
    name: string,
    handler: (job: Job) => Promise<void>,
    options: { connection: Connection; concurrency: number; removeOnComplete: { count: number } },
  ) => Worker;
};

function connectionTo(path: string): Connection {
  return { path, maxRetriesPerRequest: null };
}

class BullmqCaller implements Caller {
  private readonly queue: Queue;

  constructor(queue: Queue) {
    this.queue = queue;
  }

  async submit(count: number, dueAtMs: (at: number) => number): Promise<void> {
    await inBatches(count, BATCH, PARALLEL, (from, to) => {
      const nowMs = Date.now();
      const jobs = range(from, to, (at) => {
        const due = dueAtMs(at);
        return { name: NAME, data: { dueAtMs: due }, opts: { delay: Math.max(0, due - nowMs), removeOnComplete: true } };
      });
      return this.queue.addBulk(jobs);
    });
  }

  /** A scheduler's first job is due at once; the others lie `every` apart, at the offset. */
  async tick(count: number): Promise<void> {
    await inBatches(count, 1, 50, (at) => {
      const repeat = { every: 1_000, offset: (at * 617) % 1_000 };
      return this.queue.upsertJobScheduler(`tick-${at}`, repeat, { name: NAME, data: {}, opts: { removeOnComplete: true } });
    });
  }

  async remaining(): Promise<number> {
    const counts = await this.queue.getJobCounts("waiting", "active", "delayed", "prioritized");
    return Object.values(counts).reduce((sum, each) => sum + each, 0);
  }

  close(): Promise<void> {
    return this.queue.close();
  }
}

/** A scheduler's jobs are called "repeat:<scheduler>:<due time>". */
function dueAtMsOf({ id, data }: Job): number {
  return data.dueAtMs ?? Number(id.slice(id.lastIndexOf(":") + 1));
}

export function bullmq(): Peer {
  return {
    facts: {
      name: "bullmq",
      versions: `${versionOf("bullmq")}, ${storeVersion("redis")}`,
      durability: "redis appendonly yes, appendfsync always; one copy",
      bulk: `addBulk of ${BATCH} jobs, ${PARALLEL} under way`,
      handling: `${PROCESSES} process, concurrency ${CONCURRENCY}, removeOnComplete; a second process made it slower on two cores`,
      ticking: "its job schedulers, every 1000 ms",
    },
    store: "redis",
    processes: PROCESSES,
    async open(at: string): Promise<Caller> {
      const { Queue } = await load<Bullmq>("bullmq");
      return new BullmqCaller(new Queue(NAME, { connection: connectionTo(at) }));
    },
    async handle(at: string, tally: Tally): Promise<() => Promise<void>> {
      const { Worker } = await load<Bullmq>("bullmq");
      const handler = async (job: Job): Promise<void> => tally.note(dueAtMsOf(job));
      const worker = new Worker(NAME, handler, { connection: connectionTo(at), concurrency: CONCURRENCY, removeOnComplete: { count: 0 } });
      worker.on("error", (error) => process.stderr.write(`bullmq: ${error.message}\n`));
      await worker.waitUntilReady();
      return () => worker.close();
    },
  };
}
