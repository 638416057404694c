// Owns: the handler that Pawl's nodes run in the comparison, loaded by the setting `plugins`: code of a user that notes how late it was
// called, as the peers' handlers do. Whoever connects to the process's socket in the folder BENCH_NOTES is told what was noted since.

import { createServer } from "node:net";
import { join } from "node:path";
import { Tally } from "./tally.ts";

const tally = new Tally();

export const handled = {
  type: "handled",
  run: async ({ scheduledAtMs }: { readonly scheduledAtMs: number }): Promise<void> => tally.note(scheduledAtMs),
};

export function socketOf(folder: string, pid: number): string {
  return join(folder, `${pid}.sock`);
}

const folder = process.env["BENCH_NOTES"];
if (folder !== undefined) createServer((socket) => socket.end(JSON.stringify(tally.take()))).listen(socketOf(folder, process.pid)).unref();
