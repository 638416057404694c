// Owns: what must be true of the history at the end of a run: every node has every record of the reference, also one that took up
// snapshots and got what it lacked from the others (H10e).

import { isDeepStrictEqual } from "node:util";
import type { HistoryRow } from "../../src/jobs/history.ts";
import type { HistoryStore } from "../../src/storage/history.ts";
import type { SimNode } from "./node.ts";
import { demand } from "./oracle.ts";

const PAGE = 200;

function all(history: HistoryStore): HistoryRow[] {
  const rows: HistoryRow[] = [];
  for (let before: number | undefined = Number.MAX_SAFE_INTEGER; before !== undefined; ) {
    const page = history.scan({ beforeOrdinal: before, limit: PAGE });
    rows.push(...page.rows);
    before = page.next;
  }
  return rows.reverse();
}

/** `nodes` are at the index of the reference. What only a node had that is lost for good can be lost with it. */
export function recordsAgree(nodes: readonly SimNode[], isOneLost: boolean, wanted: readonly HistoryRow[]): void {
  for (const { id, assembled, damaged } of nodes) {
    // A bit that was flipped in a file is met by whoever reads there.
    if (assembled === undefined || damaged) continue;
    const { hole } = assembled.history;
    demand(hole === undefined || isOneLost, "H10e", `${id} still lacks the records from ${hole?.from} to ${hole?.to}`);
    if (hole !== undefined) continue;
    const rows = all(assembled.history);
    const at = wanted.findIndex((row, i) => !isDeepStrictEqual(row, rows[i]));
    const isSame = at < 0 && rows.length === wanted.length;
    demand(isSame || isOneLost, "H10e", `${id} has ${rows.length} records of ${wanted.length}, the first to differ is ${at + 1}`);
  }
}
