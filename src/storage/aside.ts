// Owns: taking the data of a node out of its directory, while no node runs, for another copy to be made from the other members. What says
// who the node is stays: identity, token, certificates, and the journal of what it runs.
// (M1) Done again after a crash it comes to the same: what was moved already stays where it is.

import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";

const DATA = /^(?:log|history|state-\d+)(?:\.removed)?$/;
const ASIDE = /^damaged-/;

/** Moves the data into the folder `aside`, the only one of its kind that is kept; deletes it where `aside` is undefined. */
export async function takeOut(dataDir: string, aside: string | undefined): Promise<void> {
  const names = readdirSync(dataDir);
  for (const name of names) if (ASIDE.test(name) && name !== aside) remove(join(dataDir, name));
  const kept = aside === undefined ? undefined : join(dataDir, aside);
  if (kept !== undefined) mkdirSync(kept, { recursive: true, mode: 0o700 });
  for (const name of names.filter((each) => DATA.test(each))) {
    const isMoved = kept === undefined || existsSync(join(kept, name));
    if (isMoved) remove(join(dataDir, name));
    else renameSync(join(dataDir, name), join(kept, name));
  }
  for (const folder of kept === undefined ? [dataDir] : [kept, dataDir]) {
    const handle = await open(folder, "r");
    await handle.sync().finally(() => handle.close());
  }
}

function remove(path: string): void {
  rmSync(path, { recursive: true });
}
