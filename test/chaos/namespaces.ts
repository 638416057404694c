// Owns: the network of a chaos run made of the kernel's own: a network namespace for each node, joined by a bridge; packets are dropped
// by nftables, links made slow by a token bucket. All of it is inside a namespace of its own (N1), which is gone with this process.
// (N1) `enclosed` starts this program again in new network and mount namespaces, so that nothing of the machine's network is touched.

import { spawn, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import type { Network, Place } from "./network.ts";

const INSIDE = "CHAOS_INSIDE";
/** The range that is set aside for tests of network devices. */
const NETWORK = "198.18.0";
const ENCLOSE = ["--net", "--mount", "--propagation", "private", "--"];
const NAMESPACES = "/run/netns";
const SLOW_LINK = ["rate", "512kbit", "burst", "4kb", "latency", "400ms"];

const probe = `mount -t tmpfs none ${NAMESPACES} && ip link set lo up && ip link add b0 type bridge && ip netns add probe \
&& ip link add p0 type veth peer name p1 netns probe && tc qdisc add dev p0 root tbf ${SLOW_LINK.join(" ")} \
&& nft 'add table inet t; add chain inet t c { type filter hook input priority 0; }; add rule inet t c numgen random mod 100 < 10 drop'`;

export function isEnclosed(): boolean {
  return process.env[INSIDE] === "1";
}

/** Why this machine cannot have such a network; undefined when it can. */
export function noNamespaces(): string | undefined {
  if (process.platform !== "linux") return "network namespaces need Linux";
  if (process.getuid?.() !== 0) return "network namespaces need root";
  mkdirSync(NAMESPACES, { recursive: true });
  const tried = spawnSync("unshare", [...ENCLOSE, "sh", "-c", probe], { encoding: "utf8" });
  if (tried.error !== undefined) return `network namespaces need unshare: ${tried.error.message}`;
  return tried.status === 0 ? undefined : `network namespaces need what is not here: ${tried.stderr.trim().split("\n")[0]}`;
}

/** Runs this program again inside (N1); its exit code. */
export function enclosed(): Promise<number> {
  const command = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const child = spawn("unshare", [...ENCLOSE, ...command], { stdio: "inherit", env: { ...process.env, [INSIDE]: "1" } });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

function run(command: string, ...args: readonly string[]): void {
  const done = spawnSync(command, args, { encoding: "utf8" });
  if (done.error !== undefined || done.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${done.error?.message ?? done.stderr}`);
}

export class NamespaceNetwork implements Network {
  readonly kind = "namespaces";
  readonly host = `${NETWORK}.1`;
  readonly range = `${NETWORK}.0/24`;
  readonly needsTls = true;
  private readonly ids: readonly string[];
  private cuts: readonly (readonly [string, string])[] = [];
  private lossPercent = 0;

  constructor(ids: readonly string[]) {
    this.ids = ids;
    run("mount", "-t", "tmpfs", "none", NAMESPACES);
    run("ip", "link", "set", "lo", "up");
    run("ip", "link", "add", "pawl", "type", "bridge");
    run("ip", "addr", "add", `${this.host}/24`, "dev", "pawl");
    run("ip", "link", "set", "pawl", "up");
    for (const id of ids) {
      run("ip", "netns", "add", id);
      run("ip", "link", "add", `to-${id}`, "type", "veth", "peer", "name", "eth0", "netns", id);
      run("ip", "link", "set", `to-${id}`, "master", "pawl", "up");
      run("ip", "-n", id, "addr", "add", `${this.addressOf(id)}/24`, "dev", "eth0");
      run("ip", "-n", id, "link", "set", "eth0", "up");
      run("ip", "-n", id, "link", "set", "lo", "up");
    }
  }

  place(id: string): Place {
    const address = this.addressOf(id);
    return { api: `${address}:7500`, peer: `${address}:7600`, launcher: ["nsenter", `--net=${NAMESPACES}/${id}`, "--"] };
  }

  peerOf(_from: string, to: string): string {
    return this.place(to).peer;
  }

  async cut(from: readonly string[], to: readonly string[]): Promise<void> {
    this.cuts = [...this.cuts, ...from.flatMap((a) => to.map((b) => [a, b] as const))];
    this.filter();
  }

  async lose(percent: number): Promise<void> {
    this.lossPercent = percent;
    this.filter();
  }

  async slow(): Promise<void> {
    for (const id of this.ids) run("ip", "netns", "exec", id, "tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", ...SLOW_LINK);
  }

  async heal(): Promise<void> {
    this.cuts = [];
    this.lossPercent = 0;
    this.filter();
    for (const id of this.ids) spawnSync("ip", ["netns", "exec", id, "tc", "qdisc", "del", "dev", "eth0", "root"]);
  }

  async close(): Promise<void> {
    for (const id of this.ids) run("ip", "netns", "del", id);
  }

  /** Each node drops what it must not hear, and a share of what it may. */
  private filter(): void {
    for (const to of this.ids) {
      const cut = this.cuts.filter(([, hearer]) => hearer === to).map(([from]) => `ip saddr ${this.addressOf(from)} drop`);
      const peers = this.ids.filter((id) => id !== to).map((id) => this.addressOf(id)).join(", ");
      const loss = this.lossPercent === 0 ? [] : [`ip saddr { ${peers} } numgen random mod 100 < ${this.lossPercent} drop`];
      const rules = [...cut, ...loss].map((rule) => `add rule inet chaos in ${rule}\n`).join("");
      const table = "add table inet chaos\nflush table inet chaos\nadd chain inet chaos in { type filter hook input priority 0; }\n";
      const done = spawnSync("ip", ["netns", "exec", to, "nft", "-f", "-"], { input: table + rules, encoding: "utf8" });
      if (done.status !== 0) throw new Error(`nft: ${done.stderr}`);
    }
  }

  private addressOf(id: string): string {
    return `${NETWORK}.${11 + this.ids.indexOf(id)}`;
  }
}
