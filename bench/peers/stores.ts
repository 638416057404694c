// Owns: the stores that peers keep their jobs in: Debian's redis-server and PostgreSQL, each started for one measurement in a folder of
// its own, on a Unix socket alone, and removed after it.
// (T1) Every write is synced before it is answered: redis with `appendonly yes, appendfsync always`; PostgreSQL as initdb makes it (fsync
//      and synchronous_commit on). Beside places one setting is not the default: PostgreSQL's shared memory is a segment of System V, of
//      the same size, since the system tells how much of such a segment is resident; pages that only ended processes have touched are not
//      found otherwise.
// (T2) PostgreSQL refuses to run as root: then it runs as the user that Debian's package has made for it.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

const READY_MAX_MS = 20_000;
const STOP_MAX_MS = 15_000;

export type StoreKind = "redis" | "postgres";

export const debianPackages: Readonly<Record<StoreKind, string>> = { redis: "redis-server", postgres: "postgresql" };

type User = { readonly uid: number; readonly gid: number };

export class Store {
  readonly folder: string;
  /** The socket of redis, the folder of PostgreSQL's. */
  readonly at: string;
  private readonly child: ChildProcess;
  /** When this process ends without having stopped it. */
  private readonly abandoned = (): void => {
    // PostgreSQL ends at once by this one too, and gives its shared memory back.
    this.child.kill("SIGQUIT");
    this.remove();
  };

  private constructor(folder: string, at: string, child: ChildProcess) {
    this.folder = folder;
    this.at = at;
    this.child = child;
    process.once("exit", this.abandoned);
  }

  static async start(kind: StoreKind): Promise<Store> {
    const folder = mkdtempSync(join(tmpdir(), "pawl-peer-"));
    const [at, child] = kind === "redis" ? startRedis(folder) : startPostgres(folder);
    const store = new Store(folder, at, child);
    try {
      await store.ready(kind === "redis" ? ["redis-cli", "-s", at, "ping"] : [binary("pg_isready"), "-q", "-h", at]);
      return store;
    } catch (error) {
      await store.stop();
      throw error;
    }
  }

  /** The process and those that it has started. */
  pids(): number[] {
    const pid = this.child.pid ?? 0;
    return [pid, ...readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number)];
  }

  async stop(): Promise<void> {
    const { child } = this;
    if (child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGINT");
      const late = setTimeout(() => child.kill("SIGKILL"), STOP_MAX_MS);
      await gone;
      clearTimeout(late);
    }
    process.off("exit", this.abandoned);
    this.remove();
  }

  private remove(): void {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  private async ready([command = "", ...args]: readonly string[]): Promise<void> {
    const sinceMs = performance.now();
    while (performance.now() - sinceMs < READY_MAX_MS) {
      const { exitCode, spawnfile } = this.child;
      if (exitCode !== null) throw new Error(`${spawnfile} ended with ${exitCode}`);
      if (spawnSync(command, args, { stdio: "ignore" }).status === 0) return;
      await wait(50);
    }
    throw new Error(`${this.child.spawnfile} is not ready after ${READY_MAX_MS} ms`);
  }
}

/** "redis-server 7.0.15", "PostgreSQL 15.18"; undefined when it is not on this machine. */
export function storeVersion(kind: StoreKind): string | undefined {
  const { status, stdout } = spawnSync(kind === "redis" ? "redis-server" : binary("postgres"), ["--version"], { encoding: "utf8" });
  if (status !== 0) return undefined;
  const version = /(?:v=|PostgreSQL\) )(\S+)/.exec(stdout)?.[1] ?? stdout.trim();
  return `${kind === "redis" ? "redis-server" : "PostgreSQL"} ${version}`;
}

function startRedis(folder: string): [string, ChildProcess] {
  const socket = join(folder, "redis.sock");
  const durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""];
  const args = ["--port", "0", "--unixsocket", socket, "--unixsocketperm", "700", "--dir", folder, "--loglevel", "warning", ...durable];
  return [socket, spawn("redis-server", args, { stdio: ["ignore", "ignore", "inherit"] })];
}

function startPostgres(folder: string): [string, ChildProcess] {
  const user = postgresUser();
  chmodSync(folder, 0o700);
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const data = join(folder, "data");
  const made = ["-D", data, "-U", "pawl", "--auth=trust", "--no-locale", "--encoding=UTF8", "--no-sync"];
  execFileSync(binary("initdb"), made, { ...user, cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  const settings = ["listen_addresses=", `unix_socket_directories=${folder}`, "log_min_messages=fatal", "shared_memory_type=sysv"];
  const args = ["-D", data, ...settings.flatMap((each) => ["-c", each])];
  return [folder, spawn(binary("postgres"), args, { ...user, cwd: folder, stdio: ["ignore", "ignore", "ignore"] })];
}

function postgresUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

/** Debian keeps PostgreSQL's programs by version and out of the way. The newest is taken, else what the shell would find. */
function binary(name: string): string {
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? readdirSync(debian).toSorted((a, b) => Number(b) - Number(a)) : [];
  return versions.map((version) => join(debian, version, "bin", name)).find((path) => existsSync(path)) ?? name;
}
