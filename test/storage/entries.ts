// Entries and writes to give to a log, with data that can be told from each other.

import { finished } from "./bench.ts";
import type { Entry, HardState, LogWrite } from "../../src/raft/types.ts";
import type { RaftLog } from "../../src/storage/log.ts";

const data = (index: number, term: number): Uint8Array => new Uint8Array(10).fill((index * 7 + term) & 255);
export const entry = (index: number, term: number): Entry => ({ index, term, kind: "command", data: data(index, term) });
export const range = (from: number, to: number, term: number): Entry[] =>
  Array.from({ length: to - from + 1 }, (_, i) => entry(from + i, term));
export const hard = (term: number, vote = "", commit = 0): HardState => ({ term, vote, commit });
let writes = 0;
export const logWrite = (hardState: HardState, entries: Entry[] = [], truncateFrom?: number): LogWrite =>
  ({ number: ++writes, truncateFrom, entries, hardState });
export const write = (log: RaftLog, each: LogWrite): Promise<void> => finished((done) => log.write(each, done));
