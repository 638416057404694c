// Owns: one node of a chaos run: its settings, its log, its process, and how that process ended. What is done to it is in faults/.

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Transport } from "../../src/client/transport.ts";
import { textOf } from "../../src/client/caller.ts";
import { TransportError } from "../../src/client/transport.ts";
import type { Cluster } from "../../src/client/index.ts";
import { root } from "../support/processes.ts";
import type { FakeClock } from "./fakeclock.ts";
import type { DiskFaults } from "./shim/diskfaults.ts";

const LOOK_MS = 2_000;
const LOG_TAIL_LINES = 8;

export type Ended = { readonly atMs: number; readonly code: number | null; readonly signal: NodeJS.Signals | null };

export type NodeOptions = {
  readonly id: string;
  readonly url: string;
  readonly configFile: string;
  readonly dataDir: string;
  readonly logFile: string;
  readonly launcher: readonly string[];
  readonly token: string;
  readonly transport: Transport;
  readonly disk?: DiskFaults | undefined;
  readonly clock?: FakeClock | undefined;
};

export class ChaosNode {
  readonly options: NodeOptions;
  /** Each end that this program did not bring about, in order. */
  readonly ends: Ended[] = [];
  private child: ChildProcess | undefined;
  private gone: Promise<void> = Promise.resolve();

  constructor(options: NodeOptions) {
    this.options = options;
  }

  get id(): string {
    return this.options.id;
  }

  get isRunning(): boolean {
    return this.child !== undefined;
  }

  start(): void {
    if (this.child !== undefined) return;
    const { launcher, configFile, logFile, disk, clock } = this.options;
    const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(PAWL|NODE|CHAOS)_/.test(name)));
    const preload = [disk?.env["LD_PRELOAD"], clock?.env["LD_PRELOAD"]].filter((each) => each !== undefined).join(":");
    const env = { ...clean, ...disk?.env, ...clock?.env, ...(preload === "" ? {} : { LD_PRELOAD: preload }) };
    const [command = "", ...args] = [...launcher, process.execPath, join(root, "bin", "pawl"), "start", "--config", configFile];
    const log = openSync(logFile, "a");
    // A node ends when its standard input closes (PAWL_DEV_CHILD), hence with this process however that ends; a terminal's Ctrl-C is not
    // for it.
    const own = { ...env, HOME: "/nonexistent", PAWL_DEV_CHILD: "1" };
    const child = spawn(command, args, { env: own, stdio: ["pipe", log, log], detached: true });
    closeSync(log);
    child.stdin?.on("error", () => undefined);
    this.child = child;
    this.gone = new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => {
        if (this.child === child) this.ends.push({ atMs: Date.now(), code, signal });
        this.child = undefined;
        resolve();
      });
    });
  }

  /** Ends it and waits until it is gone. */
  async kill(): Promise<void> {
    this.strike();
    await this.gone;
  }

  /** Kills it; it may be there a moment longer. */
  strike(): void {
    const child = this.child;
    this.child = undefined;
    child?.kill("SIGKILL");
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.child?.kill(signal);
  }

  /** Waits until the process that was killed is gone. */
  ended(): Promise<void> {
    return this.gone;
  }

  /** What this node says of the cluster; undefined when it says nothing useful. `/readyz` is asked too. */
  async look(): Promise<Cluster | undefined> {
    if ((await this.get("/readyz")) === undefined) return undefined;
    const text = await this.get("/api/v1/cluster");
    return text === undefined ? undefined : (JSON.parse(text) as Cluster);
  }

  private async get(path: string): Promise<string | undefined> {
    const { transport, url, token } = this.options;
    const headers = { authorization: `Bearer ${token}` };
    try {
      const response = await transport.send({ server: url, method: "GET", path, headers, signal: AbortSignal.timeout(LOOK_MS) });
      const text = await textOf(response);
      return response.status < 300 ? text : undefined;
    } catch (error) {
      // Refused, reset and slow connections are what a node in trouble looks like.
      if (error instanceof TransportError) return undefined;
      throw error;
    }
  }

  get tail(): string {
    const lines = readFileSync(this.options.logFile, "utf8").trim().split("\n").slice(-LOG_TAIL_LINES);
    return lines.map((line) => `  ${this.id}: ${line}`).join("\n");
  }
}
