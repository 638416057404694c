// Owns: the disk that `pawl resync` leaves behind: a log whose node has voted, as far as anybody may ask, in every term up to the one in
// which it was committed that it votes no more (CORRECTNESS.md, H8).

import { openLog } from "../../src/storage/log.ts";
import type { SimStorage } from "../support/simdisk.ts";

export async function layBlank(storage: SimStorage, id: string, term: number): Promise<void> {
  const disk = storage.disk((_kind, run) => run());
  const log = await openLog(await disk.open("log"));
  log.write({ number: 1, truncateFrom: undefined, entries: [], hardState: { term, vote: id, commit: 0 } }, () => undefined);
  await disk.close();
}
