// Owns: the process whose memory the memory benchmark reads: one node's whole core (log, state machine, wheel, checkpoints, on a real
// disk) with nobody to vote with, fed with creates as the face would feed it. Started by memory.ts with the number of jobs and a folder.
// Not in it: the face's thread, that is, the HTTP server and the executors.

import { setTimeout as wait } from "node:timers/promises";
import { Host } from "../src/cluster/host.ts";
import type { CoreToFace } from "../src/cluster/port.ts";
import type { Change } from "../src/jobs/views.ts";
import { LevelDisk } from "../src/storage/leveldisk.ts";
import { realSystem } from "../src/system.ts";
import { jobSpecOf } from "../src/api/parse.ts";
import { memoryOf } from "./cpu.ts";

const IN_FLIGHT = 8_192;
const REFUSED_WAIT_MS = 200;
const PAYLOAD = "x".repeat(288);
const known = { jobTypes: () => ["noop"], validatePayload: () => undefined };

/** A yearly time of New York, one of 1,440, with a payload of 300 bytes of JSON; none of them is due while this runs. */
function yearly(at: number): Change {
  const cron = `${at % 60} ${Math.floor(at / 60) % 24} 1 1 *`;
  const body = { job_type: "noop", schedule: { cron, timezone: "America/New_York" }, payload: { data: PAYLOAD } };
  return { kind: "create", jobId: `job-${at}`, spec: jobSpecOf(body, known, realSystem.wallMs()) };
}

/** What was refused and did not happen is submitted again a little later, as a client would. */
class Feeder {
  private readonly host: Host;
  private readonly count: number;
  private readonly again: number[] = [];
  private next = 0;
  private inFlight = 0;
  private created = 0;
  refusals = 0;
  private finish: () => void = () => undefined;
  readonly done = new Promise<void>((resolve) => (this.finish = resolve));

  constructor(host: Host, count: number) {
    this.host = host;
    this.count = count;
  }

  fill(): void {
    const changes = [];
    for (; this.inFlight < IN_FLIGHT && (this.again.length > 0 || this.next < this.count); this.inFlight++) {
      const id = this.again.pop() ?? this.next++;
      changes.push({ id, change: yearly(id), key: undefined, bytes: 512 });
    }
    if (changes.length > 0) this.host.receive({ kind: "changes", changes });
  }

  take(message: CoreToFace): void {
    if (message.kind === "failed") throw new Error(message.error.message);
    if (message.kind === "log" && message.level !== "info") process.stderr.write(`${message.message}\n`);
    if (message.kind !== "changed") return;
    const refused = message.outcomes.filter(({ error }) => error !== undefined);
    for (const { id, error } of refused) {
      if (error?.outcome !== "rejected") throw new Error(error?.message);
      this.again.push(id);
    }
    this.refusals += refused.length;
    this.inFlight -= message.outcomes.length;
    this.created += message.outcomes.length - refused.length;
    if (this.created === this.count) this.finish();
    else if (refused.length === 0) this.fill();
    else realSystem.after(REFUSED_WAIT_MS, () => this.fill());
  }
}

async function run(count: number, folder: string, settleMs: number): Promise<void> {
  let feeder: Feeder | undefined;
  let ready: () => void = () => undefined;
  const standing = new Promise<void>((resolve) => (ready = resolve));
  let stopped: () => void = () => undefined;
  const end = new Promise<void>((resolve) => (stopped = resolve));
  const member = { id: "only", host: "127.0.0.1", port: 1, api: "127.0.0.1:2" };
  const host = new Host({
    options: {
      node: "only", incarnation: 1, dataDir: folder, cluster: "bench", version: "0", members: [member],
      listen: { host: "127.0.0.1", port: 1 }, tlsDir: undefined, slots: 100, tags: [],
    },
    post: (message) => {
      if (message.kind === "standing" && message.ready) ready();
      if (message.kind === "stopped") stopped();
      feeder?.take(message);
    },
    disk: new LevelDisk(folder, (soon) => realSystem.soon(soon)),
    system: realSystem,
    transport: { send: () => false },
    clusterIdKnown: () => undefined,
    closeLinks: async () => undefined,
  });
  await host.open();
  await standing;
  const before = memoryOf(process.pid);
  const sinceMs = performance.now();
  feeder = new Feeder(host, count);
  feeder.fill();
  await feeder.done;
  const tookMs = performance.now() - sinceMs;
  await wait(settleMs);
  process.stdout.write(`${JSON.stringify({ before, after: memoryOf(process.pid), tookMs, refusals: feeder.refusals })}\n`);
  host.receive({ kind: "stop" });
  await end;
}

const [count, folder, settleMs] = process.argv.slice(2);
await run(Number(count), folder ?? "", Number(settleMs));
