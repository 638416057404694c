// Owns: that one process at a time uses a data directory. Whose directory it is, is the business of src/config/identity.ts.
// (H1) Held from before anything in the directory is changed until nothing of it is used any more. Each database has a lock of its own, but
//      those are taken later, and let go when a database is opened anew.
// The lock is LevelDB's, on a database that holds nothing: Node has no call for one. The kernel lets go of it when the process ends.

import { ClassicLevel } from "classic-level";
import { join } from "node:path";
import { messageOf, PawlError } from "../base/errors.ts";

export type Hold = { release(): Promise<void> };

/** Throws PawlError: "config" when another process, or another node of this one, holds the directory, "io" else. The directory exists. */
export async function holdDirectory(dataDir: string): Promise<Hold> {
  const level = new ClassicLevel(join(dataDir, "lock"), { writeBufferSize: 1 << 16 });
  try {
    await level.open();
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    if ((cause as { code?: unknown }).code === "LEVEL_LOCKED") {
      throw new PawlError("config", `${dataDir} is used by another process: stop it or give this node another data directory`, { cause });
    }
    throw new PawlError("io", `${dataDir} cannot be held: ${messageOf(cause)}`, { cause });
  }
  return { release: () => level.close() };
}
