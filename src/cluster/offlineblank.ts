// Owns: the first write of a log whose node was a voter and lost what it had promised (H8): it is no voter any more when it is made.

import { assert } from "../base/errors.ts";
import { logOptions, openLog } from "../storage/log.ts";
import type { DiskUse } from "./heir.ts";

/** The node has voted, as far as anybody may ask, in every term up to the one in which it was committed that it votes no more. */
export async function beginBlank({ disk }: DiskUse, id: string, term: number): Promise<void> {
  const kv = await disk.open("log", logOptions);
  const log = await openLog(kv);
  assert(log.position().number === 0, "only a log without any write begins so");
  const write = { number: 1, truncateFrom: undefined, entries: [], hardState: { term, vote: id, commit: 0 } };
  await new Promise<void>((resolve, reject) => log.write(write, (error) => (error === undefined ? resolve() : reject(error))));
  await kv.close();
}
