// Owns: a state that is being laid down beside the one in use, from the chunks of a copy: in which order, how far, and when it may be
// used. The copy is statecopy.ts's, the step that puts it to use is the log's (install.ts has the order of both).
// (Z1) One chunk is one synced batch, with its record and with how far the copy is: after a crash the next chunk is the one that is due.
// (Z2) Chunks come in order and of one copy. Chunk 0 of another copy begins from nothing; any other chunk that is not due is refused.
// (Z3) Before the state is used it is loaded as at a start, every cold row's seal is checked, and every chunk's record must be there.
// (Z4) It is no state before complete(): opening it is refused (installmark.ts), and the log does not name it.

import { PawlError, assert } from "../base/errors.ts";
import { limits } from "../limits.ts";
import { STORE, checkValue } from "./checkpointformat.ts";
import { checkChunks, decodeStage, encodeChunkRecord, encodeInstall, encodeStage, markKeys } from "./installmark.ts";
import { quarantined } from "./quarantine.ts";
import { load, rowsOf } from "./restore.ts";
import { stateName, stateOptions } from "./state.ts";
import type { Chunk, CopyEnd } from "./copychunk.ts";
import type { Disk, Kv, KvOp } from "./disk.ts";
import type { HistoryMarks } from "./historymarks.ts";
import type { StageRecord } from "./installmark.ts";
import type { TableShape } from "./checkpointformat.ts";
import type { LogPosition } from "./log.ts";
import type { LoadedTable, Restored } from "./restore.ts";

const COLD_ROWS_PER_PAGE = 1024;

export class StateStage {
  readonly number: number;
  private readonly disk: Disk;
  private kv: Kv | undefined;
  private record: StageRecord | undefined;
  private busy = false;

  private constructor(disk: Disk, number: number) {
    this.disk = disk;
    this.number = number;
  }

  /** Finds what was laid down of a copy before; what cannot be gone on with is removed. */
  static async open(disk: Disk, number: number): Promise<StateStage> {
    const stage = new StateStage(disk, number);
    if (!disk.databases().includes(stateName(number))) return stage;
    stage.kv = await disk.open(stateName(number), stateOptions);
    stage.record = recordIn(stage.kv);
    if (stage.record === undefined) await stage.discard();
    return stage;
  }

  /** The copy that is laid down here, undefined when there is none. */
  get copy(): string | undefined {
    return this.record?.copy;
  }

  /** Number of the chunk that is due. */
  get next(): number {
    return this.record?.next ?? 0;
  }

  /** What the last chunk said; undefined until it is laid down. */
  get end(): CopyEnd | undefined {
    return this.record?.end;
  }

  /** Resolves when the chunk is durable. Throws PawlError("conflict") when it is not the one that is due (Z2). */
  lay(chunk: Chunk): Promise<void> {
    return this.alone(async () => {
      const begins = chunk.number === 0 && chunk.copy !== this.copy;
      const isDue = begins || (chunk.copy === this.copy && chunk.number === this.next && this.end === undefined);
      if (!isDue) throw new PawlError("conflict", this.refusal(chunk));
      if (begins) await this.wipe();
      const kv = (this.kv ??= await this.disk.open(stateName(this.number), stateOptions));
      const record = { copy: chunk.copy, next: chunk.number + 1, end: chunk.end };
      const chunkRecord = { put: markKeys.chunk(chunk.number), value: encodeChunkRecord(chunk.number) };
      await written(kv, [...chunk.ops, chunkRecord, { put: markKeys.stage, value: encodeStage(record) }]);
      this.record = record;
    });
  }

  /** Checks all that is laid down, and says what it is (Z3). Throws PawlError("invalid") naming what is wrong. */
  verify(shapes: readonly TableShape[]): Promise<Restored> {
    const blind = { restoreRows: () => undefined, restorePage: () => undefined };
    return this.load(shapes.map(({ name, rowBytes, pageRows }) => ({ name, rowBytes, pageRows, ...blind })));
  }

  /** As verify(), and fills the tables, which must be empty. */
  load(tables: readonly LoadedTable[]): Promise<Restored> {
    return this.alone(async () => {
      try {
        return await this.checked(tables);
      } catch (error) {
        if (!(error instanceof PawlError) || error.code !== "quarantined") throw error;
        throw new PawlError("invalid", `copy ${this.copy} cannot be used; begin another one: ${error.message}`, { cause: error });
      }
    });
  }

  private async checked(tables: readonly LoadedTable[]): Promise<Restored> {
    const { kv, record } = this.whole();
    await checkChunks(kv, record.next);
    const loaded = await load(kv, tables);
    const { checkpoint, index } = record.end;
    if (loaded === undefined || !isWhatWasSent(loaded, record.end)) {
      throw quarantined(STORE, `what was copied is not checkpoint ${checkpoint} at index ${index}, as the last chunk says`);
    }
    const range = { gte: "x/", lt: "x0", limit: COLD_ROWS_PER_PAGE, maxBytes: limits.storageSliceBytes };
    for await (const [key, value] of rowsOf(kv, range)) checkValue(key, value);
    return loaded;
  }

  /**
   * Makes a state of it, for a log that ends at `position` once it names this state, and for files of history as in `marks`.
   * Only after verify().
   */
  complete(position: LogPosition, marks: HistoryMarks): Promise<void> {
    return this.alone(async () => {
      const { kv, record } = this.whole();
      assert(position.index >= record.end.index, "the log goes on where the copied state ends");
      const mark = { checkpoint: record.end.checkpoint, chunks: record.next, position, marks };
      await written(kv, [{ put: markKeys.install, value: encodeInstall(mark) }, { del: markKeys.stage }]);
      await this.close();
    });
  }

  /** Removes all of it, if there is anything. */
  discard(): Promise<void> {
    return this.alone(() => this.wipe());
  }

  async close(): Promise<void> {
    await this.kv?.close();
    this.kv = undefined;
    this.record = undefined;
  }

  private async wipe(): Promise<void> {
    await this.close();
    await this.disk.remove(stateName(this.number));
  }

  private whole(): { kv: Kv; record: StageRecord & { end: CopyEnd } } {
    const { kv, record } = this;
    assert(kv !== undefined && record?.end !== undefined, "the copy is laid down whole");
    return { kv, record: { ...record, end: record.end } };
  }

  private refusal({ copy, number }: Chunk): string {
    const due = this.end !== undefined ? "which is whole" : this.copy === undefined ? "but none was begun" : `where ${this.next} is due`;
    const own = this.copy === undefined || this.copy === copy ? "" : ` of copy ${this.copy}`;
    return `chunk ${number} of copy ${copy} came, ${due}${own}; go on with that one or begin another copy`;
  }

  /** One task at a time; a second one is refused, not queued: chunks have an order. */
  private async alone<T>(task: () => Promise<T>): Promise<T> {
    if (this.busy) throw new PawlError("conflict", "a chunk is still being laid down; send the next one when it is acknowledged");
    this.busy = true;
    try {
      return await task();
    } finally {
      this.busy = false;
    }
  }
}

function isWhatWasSent(loaded: Restored, end: CopyEnd): boolean {
  const { number, appliedIndex, appliedTerm, membership } = loaded;
  const isSamePlace = number === end.checkpoint && appliedIndex === end.index && appliedTerm === end.term;
  return isSamePlace && membership.index === end.membership.index && Buffer.compare(membership.bytes, end.membership.bytes) === 0;
}

/** How far the copy is; undefined when nobody can say. */
function recordIn(kv: Kv): StageRecord | undefined {
  const value = kv.get(markKeys.stage);
  try {
    return value === undefined ? undefined : decodeStage(value);
  } catch (error) {
    if (error instanceof PawlError && (error.code === "quarantined" || error.code === "too_new")) return undefined;
    throw error;
  }
}

function written(kv: Kv, ops: readonly KvOp[]): Promise<void> {
  return new Promise((resolve, reject) => kv.write(ops, (error) => (error === undefined ? resolve() : reject(error))));
}
