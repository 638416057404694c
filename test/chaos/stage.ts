// Owns: what faults act on: the nodes, the network between them, a client that asks them all, the ledger, and the folder with the data,
// journals and logs of it all. The load is in load.ts.

import { spawnSync } from "node:child_process";
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "../../src/client/index.ts";
import type { Client, Cluster } from "../../src/client/index.ts";
import { networkTransport } from "../../src/client/transport.ts";
import type { Transport } from "../../src/client/transport.ts";
import type { Random } from "../schedule/random.ts";
import { Ledger } from "../support/ledger.ts";
import { TOKEN, root, until } from "../support/processes.ts";
import { FakeClock } from "./fakeclock.ts";
import { NamespaceNetwork } from "./namespaces.ts";
import type { Network } from "./network.ts";
import { ChaosNode } from "./node.ts";
import { RelayNetwork } from "./relay.ts";
import { DiskFaults } from "./shim/diskfaults.ts";

const TMPFS_BYTES = 1024 ** 3;

export type StageOptions = {
  readonly ids: readonly string[];
  readonly network: "relay" | "namespaces";
  /** Loaded into the nodes only when a fault needs them: both make system calls slower. */
  readonly withDiskFaults: boolean;
  readonly withFakeClocks: boolean;
  /** The data of the last node is on a small file system of its own, which can be full. */
  readonly withSmallDisk: boolean;
  readonly random: Random;
};

export class Stage {
  readonly options: StageOptions;
  readonly folder: string;
  readonly network: Network;
  readonly nodes: readonly ChaosNode[];
  readonly client: Client;
  readonly ledger: Ledger;
  readonly caFile: string | undefined;
  private readonly transport: Transport;

  private constructor(options: StageOptions, folder: string, network: Network, ledger: Ledger) {
    this.options = options;
    this.folder = folder;
    this.network = network;
    this.ledger = ledger;
    this.caFile = network.needsTls ? join(folder, "certs", options.ids[0] ?? "", "ca.pem") : undefined;
    writeFileSync(join(folder, "admin.token"), TOKEN, { mode: 0o600 });
    for (const id of options.ids) writeFileSync(join(folder, `${id}.toml`), settingsOf(id, options.ids, network));
    if (network.needsTls) this.makeCertificates();
    const ca = this.caFile === undefined ? undefined : readFileSync(this.caFile, "utf8");
    this.transport = networkTransport(ca);
    this.nodes = options.ids.map((id) => this.nodeOf(id));
    this.client = createClient({ servers: this.nodes.map((node) => node.options.url), token: TOKEN, ca });
  }

  static async open(options: StageOptions): Promise<Stage> {
    const folder = mkdtempSync(join(tmpdir(), "pawl-chaos-"));
    const network = options.network === "relay" ? await RelayNetwork.open(options.ids, options.random) : new NamespaceNetwork(options.ids);
    const record = join(folder, "ledger.jsonl");
    const ledger = await Ledger.listen(network.host, (asked) => {
      appendFileSync(record, `${JSON.stringify(asked, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value))}\n`);
    });
    return new Stage(options, folder, network, ledger);
  }

  get ids(): readonly string[] {
    return this.options.ids;
  }

  get majority(): number {
    return Math.floor(this.ids.length / 2) + 1;
  }

  /** The node that leads as a majority of the nodes says. */
  async leader(): Promise<ChaosNode> {
    return until("the nodes agree on a leader", 30_000, async () => {
      const said = (await this.looks()).map((look) => look?.leader_id);
      return this.nodes.find((node) => node.isRunning && said.filter((id) => id === node.id).length >= this.majority);
    });
  }

  async looks(): Promise<(Cluster | undefined)[]> {
    return Promise.all(this.nodes.map((node) => node.look()));
  }

  async close(keepFolder: boolean): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    this.ledger.close();
    await Promise.all([this.client.close(), this.transport.close()]);
    await this.network.close();
    if (keepFolder) return;
    if (this.options.withSmallDisk) spawnSync("umount", [join(this.folder, `data-${this.ids.at(-1)}`)]);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  private nodeOf(id: string): ChaosNode {
    const { folder, network, options, transport } = this;
    const { api, launcher } = network.place(id);
    const dataDir = join(folder, `data-${id}`);
    mkdirSync(dataDir, { mode: 0o700 });
    if (options.withSmallDisk && id === options.ids.at(-1)) {
      const size = ["-o", `size=${TMPFS_BYTES},mode=700`];
      const mounted = spawnSync("mount", ["-t", "tmpfs", ...size, "none", dataDir], { encoding: "utf8" });
      if (mounted.status !== 0) throw new Error(`mount: ${mounted.stderr}`);
    }
    if (network.needsTls) cpSync(join(folder, "certs", id), join(dataDir, "tls"), { recursive: true });
    return new ChaosNode({
      id, dataDir, launcher, transport, token: TOKEN, url: `${network.needsTls ? "https" : "http"}://${api}`,
      configFile: join(folder, `${id}.toml`), logFile: join(folder, `${id}.log`),
      ...(options.withDiskFaults ? { disk: new DiskFaults(join(folder, `disk-${id}`)) } : {}),
      ...(options.withFakeClocks ? { clock: new FakeClock(join(folder, `clock-${id}`)) } : {}),
    });
  }

  private makeCertificates(): void {
    const config = join(this.folder, `${this.ids[0]}.toml`);
    const args = [join(root, "bin", "pawl"), "cluster", "certs", "--config", config, "--out", join(this.folder, "certs")];
    const made = spawnSync(process.execPath, args, { encoding: "utf8" });
    if (made.status !== 0) throw new Error(`pawl cluster certs: ${made.stderr}`);
  }
}

function settingsOf(id: string, ids: readonly string[], network: Network): string {
  const own = network.place(id);
  const members = ids.map((other) => {
    const peer = other === id ? own.peer : network.peerOf(id, other);
    return `[[cluster.members]]\nid = "${other}"\npeer = "${peer}"\napi = "${network.place(other).api}"\n`;
  });
  return [
    `[node]\nid = "${id}"\ndata_dir = "data-${id}"`, `[auth]\nadmin_token_file = "admin.token"`,
    `[http]\nallow_addresses = ["${network.range}"]`, `[cluster]\nname = "chaos"`, ...members,
  ].join("\n");
}
