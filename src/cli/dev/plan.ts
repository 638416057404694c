// Owns: what `pawl dev` starts: nodes on free loopback ports, their folders and their settings. Running them is nodes.ts.

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { Server } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { PawlError, messageOf } from "../../base/errors.ts";
import { loadConfig } from "../../config.ts";

export type DevOptions = {
  readonly nodes: number;
  /** API port of the first node; the others take the ports after it. Free ports when absent. */
  readonly port?: number | undefined;
  /** Kept at the end; a temporary folder, removed at the end, when absent. */
  readonly dataDir?: string | undefined;
  readonly shell: boolean;
};

export type DevNode = { readonly id: string; readonly api: string; readonly configFile: string; readonly logFile: string };

export type DevPlan = {
  readonly folder: string;
  readonly isTemporary: boolean;
  readonly tokenFile: string;
  readonly token: string;
  readonly nodes: readonly DevNode[];
};

type Ports = { readonly api: number; readonly peer: number };

/** Finds ports and writes one settings file per node; throws PawlError("config") when a port is taken. */
export async function planDev(options: DevOptions): Promise<DevPlan> {
  const ports = await holdPorts(wantedPorts(options));
  const isTemporary = options.dataDir === undefined;
  const folder = isTemporary ? mkdtempSync(join(tmpdir(), "pawl-dev-")) : resolve(options.dataDir);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const tokenFile = join(folder, "admin.token");
  const token = randomBytes(32).toString("base64url");
  writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
  const nodes = ports.map(({ api }, at): DevNode => {
    const id = nodeId(at);
    return { id, api: `http://127.0.0.1:${api}`, configFile: join(folder, `${id}.toml`), logFile: join(folder, `${id}.log`) };
  });
  nodes.forEach((node, at) => writeFileSync(node.configFile, settingsText(folder, at, ports, options.shell)));
  return { folder, isTemporary, tokenFile, token, nodes };
}

function nodeId(at: number): string {
  return `node-${String.fromCharCode("a".charCodeAt(0) + at)}`;
}

/** The settings of one node. A folder that is kept keeps the shape of its cluster, since each node has its own directory in it. */
export function settingsText(folder: string, own: number, ports: readonly Ports[], shell: boolean): string {
  const members = ports.map(
    ({ api, peer }, at) => `\n[[cluster.members]]\nid = "${nodeId(at)}"\npeer = "127.0.0.1:${peer}"\napi = "127.0.0.1:${api}"\n`,
  );
  return [
    "[node]",
    `id = "${nodeId(own)}"`,
    `data_dir = ${JSON.stringify(join(folder, nodeId(own)))}`,
    "\n[auth]",
    `admin_token_file = ${JSON.stringify(join(folder, "admin.token"))}`,
    "\n[shell]",
    `enabled = ${shell}`,
    "\n# What is tried out with http jobs runs on this machine.",
    "[http]",
    'allow_addresses = ["127.0.0.0/8", "::1/128"]',
    "\n[cluster]",
    'name = "dev"',
    members.join(""),
  ].join("\n");
}

/** Ports of a folder that was kept are used again, so that its nodes find each other; 0 means any free one. */
function wantedPorts({ nodes, port, dataDir }: DevOptions): Ports[] {
  const before = dataDir === undefined ? "" : join(resolve(dataDir), `${nodeId(0)}.toml`);
  if (!existsSync(before)) {
    return Array.from({ length: nodes }, (_, at) => ({ api: port === undefined ? 0 : port + at, peer: 0 }));
  }
  const { members } = loadConfig({ file: before, flags: {}, env: {} }).cluster;
  if (members.length !== nodes) {
    const fix = `give --nodes ${members.length} or another folder`;
    throw new PawlError("config", `--data-dir: ${dataDir} holds a cluster of ${members.length}; ${fix}`);
  }
  return members.map((member, at) => ({ api: port === undefined ? portOf(member.api) : port + at, peer: member.peer.port }));
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}

/** Listens on all of them at once and lets go, so that no two are the same. */
async function holdPorts(wanted: readonly Ports[]): Promise<Ports[]> {
  const held: Server[] = [];
  const hold = async (port: number): Promise<number> => {
    const server = createServer();
    held.push(server);
    return listening(server, port);
  };
  try {
    const ports: Ports[] = [];
    for (const { api, peer } of wanted) ports.push({ api: await hold(api), peer: await hold(peer) });
    return ports;
  } finally {
    await Promise.all(held.filter((server) => server.listening).map((server) => new Promise((done) => server.close(done))));
  }
}

function listening(server: Server, port: number): Promise<number> {
  return new Promise((resolvePort, reject) => {
    server.once("error", (error) => {
      const problem = `--port: 127.0.0.1:${port} cannot be used (${messageOf(error)})`;
      reject(new PawlError("config", `${problem}; choose another one`, { cause: error }));
    });
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      resolvePort(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}
