// Owns: `pawl cluster`: the state of the members, and the making of their certificates. Changes of the members are in members.ts.
// (T1) Certificates are made into a new folder only: nothing that may be in use is written over.

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { PawlError, assert } from "../../base/errors.ts";
import { parseAddress } from "../../config/address.ts";
import { clusterOf } from "../../config.ts";
import { makeCertificates } from "../../net/certificates.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { memberTable } from "../views.ts";
import { addMembers } from "./members.ts";

type CertsOptions = { readonly config: string; readonly out: string; readonly days: string };

export function addCluster(program: Command, context: Context): void {
  const cluster = program.command("cluster").description("look at the cluster, change its members, make its certificates");
  cluster.command("status").description("show members and leader").action(async (_: unknown, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>();
    const status = await context.connect(options).cluster.status();
    if (options.json) return context.out.json(status);
    context.out.line(`cluster ${status.name} (${status.cluster_id}): leader ${status.leader_id ?? "none"}, term ${status.term}`);
    const { head, rows } = memberTable(status, context.out.paint);
    context.out.table(head, rows);
  });
  addMembers(cluster, context);
  const confirm = "say that the leader's clock is right, when it waits for that after a gap of more than 400 days";
  cluster.command("confirm-clock").description(confirm).action(async (_: unknown, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>();
    const answer = await context.connect(options).cluster.confirmClock();
    if (options.json) return context.out.json(answer);
    context.out.line(answer.status);
  });
  const lower = "set the cluster's clock back to the wall clocks, after a wrong one had moved it ahead";
  cluster.command("lower-clock").description(lower).action(async (_: unknown, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>();
    const answer = await context.connect(options).cluster.lowerClock();
    if (options.json) return context.out.json(answer);
    context.out.line("the clock was set back; due times that were computed from the wrong time are computed again");
  });
  cluster
    .command("certs")
    .description("make an authority and one certificate per member, from the members of a settings file")
    .requiredOption("--config <file>", "TOML file with [cluster] and [[cluster.members]]")
    .requiredOption("--out <folder>", "a new folder: <member>/ca.pem, node.pem, node-key.pem, and ca-key.pem")
    .option("--days <n>", "how long they are valid", "825")
    .action(async (options: CertsOptions) => makeCerts(options, context));
}

async function makeCerts({ config, out, days }: CertsOptions, { io, out: { line } }: Context): Promise<void> {
  if (!/^[1-9]\d{0,4}$/.test(days)) throw new PawlError("invalid", `--days: expected 1 to 99999, got ${JSON.stringify(days)}`);
  const { name, members } = clusterOf({ file: config, flags: {}, env: io.env });
  if (existsSync(out)) throw new PawlError("config", `--out: ${out} exists; name a new folder, so that no key in use is written over`);
  const hosted = members.map(({ id, peer, api }) => ({ id, hosts: [...new Set([peer.host, hostOf(api)])] }));
  const { ca, nodes } = await makeCertificates(name, hosted, { days: Number(days), nowMs: io.system.wallMs() });
  mkdirSync(out, { recursive: true, mode: 0o700 });
  for (const { id } of members) {
    const made = nodes[id];
    assert(made !== undefined, "a certificate for every member");
    mkdirSync(join(out, id), { mode: 0o700 });
    writeFileSync(join(out, id, "ca.pem"), ca.cert);
    writeFileSync(join(out, id, "node.pem"), made.cert);
    writeFileSync(join(out, id, "node-key.pem"), made.key, { mode: 0o600 });
    line(`copy ${join(out, id)}/* to data_dir/tls/ of ${id}`);
  }
  writeFileSync(join(out, "ca-key.pem"), ca.key, { mode: 0o600 });
  line(`keep ${join(out, "ca-key.pem")} away from the nodes: who has it can join the cluster`);
}

function hostOf(address: string): string {
  const parsed = parseAddress(address);
  assert(parsed !== undefined, "addresses of members were checked");
  return parsed.host;
}
