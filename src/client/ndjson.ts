// Owns: the cutting of a text with one JSON value on each line into chunks of whole lines, as its bytes come. What a line says is looked
// at by those who take the chunks: import.ts on this side, src/api/bulkchunk.ts on the other.
// (N1) Where a chunk ends depends on its lines and their numbers alone, not on the pieces in which they came; and a list that is begun
//      behind any chunk is cut as before. So both sides of a connection, and every later try, mean the same chunks.
// (N2) A line that is too long is dropped as it comes, and counts as an empty one.

import { limits } from "../limits.ts";

const NEWLINE = 0x0a;
/** What is looked at in one go. */
const STEP_BYTES = 64 * 1024;

export type Chunk = {
  /** Lines are numbered from 1 over the whole list. */
  readonly firstLine: number;
  readonly lastLine: number;
  /** Its lines with newlines between them, and none at the end: a view that holds until the next chunk is asked for. */
  readonly bytes: Buffer;
  /** Numbers of the lines that were too long (N2). */
  readonly tooLong: readonly number[];
};

export class ChunkCutter {
  /** The lines of the open chunk, up to `lineAt`, and behind them the beginning of a line. */
  private buffer = Buffer.alloc(2 * STEP_BYTES);
  private length = 0;
  private lineAt = 0;
  private firstLine: number;
  private lastLine: number;
  private tooLong: number[] = [];
  private isDropping = false;

  /** Before the first byte lie `cursor` lines of the list. */
  constructor(cursor: number) {
    this.firstLine = cursor + 1;
    this.lastLine = cursor;
  }

  /** Takes the next bytes, and yields each chunk that is whole with them. */
  *cut(piece: Uint8Array): Generator<Chunk, void, undefined> {
    for (let at = 0; at < piece.length; at += STEP_BYTES) {
      const searchFrom = this.length;
      this.append(piece.subarray(at, at + STEP_BYTES));
      yield* this.takeLines(searchFrom);
    }
  }

  /** Yields what is left when no more bytes come; the last line needs no newline. */
  *end(): Generator<Chunk, void, undefined> {
    if (this.isDropping || this.length > this.lineAt) yield* this.cut(Uint8Array.of(NEWLINE));
    if (this.lineAt > 0) yield* this.close();
  }

  private append(bytes: Uint8Array): void {
    const length = this.length + bytes.length;
    if (length > this.buffer.length) {
      const bigger = Buffer.alloc(2 * length);
      bigger.set(this.buffer.subarray(0, this.length));
      this.buffer = bigger;
    }
    this.buffer.set(bytes, this.length);
    this.length = length;
  }

  private *takeLines(searchFrom: number): Generator<Chunk, void, undefined> {
    for (let end = this.newlineFrom(searchFrom); end >= 0; end = this.newlineFrom(this.lineAt)) {
      if (this.isDropping || end - this.lineAt > limits.bodyMaxBytes) end = this.dropLine(end);
      // One more than fits begins the next chunk; alone it is one, however long.
      if (this.lineAt > 0 && end > limits.bulkChunkMaxBytes) {
        end -= this.lineAt;
        yield* this.close();
      }
      this.lineAt = end + 1;
      this.lastLine++;
      if (this.lastLine % limits.bulkChunkLinesMax === 0) yield* this.close();
    }
    if (this.isDropping || this.length - this.lineAt > limits.bodyMaxBytes) {
      this.isDropping = true;
      this.length = this.lineAt;
    }
  }

  private newlineFrom(from: number): number {
    const at = this.buffer.indexOf(NEWLINE, from);
    return at < this.length ? at : -1;
  }

  /** Leaves only the newline of a line that is too long; returns where it is then (N2). */
  private dropLine(end: number): number {
    this.buffer.copyWithin(this.lineAt, end, this.length);
    this.length -= end - this.lineAt;
    this.tooLong.push(this.lastLine + 1);
    this.isDropping = false;
    return this.lineAt;
  }

  private *close(): Generator<Chunk, void, undefined> {
    const { firstLine, lastLine, tooLong, lineAt } = this;
    yield { firstLine, lastLine, bytes: this.buffer.subarray(0, lineAt - 1), tooLong };
    this.buffer.copyWithin(0, lineAt, this.length);
    this.length -= lineAt;
    this.lineAt = 0;
    this.firstLine = lastLine + 1;
    this.tooLong = [];
  }
}
