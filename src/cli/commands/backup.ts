// Owns: `pawl backup`: a backup of a running cluster in a file, and the check of such a file. Its form is src/storage/backup.ts's.

import type { Command } from "commander";
import { PawlError } from "../../base/errors.ts";
import type { BackupSummary } from "../../offline.ts";
import type { Context, GlobalOptions } from "../context.ts";
import { inWords, progress } from "../progress.ts";

export function addBackup(program: Command, context: Context): void {
  const backup = program
    .command("backup [file]")
    .description("write what the node that is asked has applied into a new file; history is not in it")
    .action((file: string | undefined, _: unknown, command: Command) => save(file, command.optsWithGlobals<GlobalOptions>(), context));
  backup
    .command("verify <file>")
    .description("check every byte of a backup, without a server")
    .action((file: string, _: unknown, command: Command) => verify(file, command.optsWithGlobals<GlobalOptions>(), context));
}

async function save(file: string | undefined, options: GlobalOptions, context: Context): Promise<void> {
  if (file === undefined) throw new PawlError("config", "name the file to write: pawl backup FILE");
  const { saveBackup } = await import("../../offline.ts");
  const shown = progress(context.io, "backup");
  const source = await context.connect(options).cluster.backup();
  tell(file, await saveBackup(file, source, shown.at).finally(shown.end), options, context);
}

async function verify(file: string, options: GlobalOptions, context: Context): Promise<void> {
  const { verifyBackup } = await import("../../offline.ts");
  const shown = progress(context.io, "verifying");
  tell(file, await verifyBackup(file, shown.at).finally(shown.end), options, context);
}

function tell(file: string, { header, end, fileBytes }: BackupSummary, { json }: GlobalOptions, { out }: Context): void {
  const { cluster, clusterId, version } = header;
  const taken = new Date(header.takenAtMs).toISOString();
  if (json) return out.json({ file, bytes: fileBytes, cluster, cluster_id: clusterId, index: end.index, taken_at: taken, version });
  out.line(`${file} is whole: ${inWords(fileBytes)}, cluster ${cluster} (${clusterId}) as of index ${end.index}, ${taken}`);
}
