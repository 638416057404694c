// Owns: the file of a backup: a copy of the state, chunk after chunk, compressed. Making the copy is statecopy.ts's, putting it to use
// that of statestage.ts and install.ts. Little-endian:
//   magic 8 bytes | version u8 | frames: kind u8, length u32, payload, crc u32
//   header: cluster name text, cluster id text, version of Pawl text, taken f64 ms | chunk: length u32, Zstandard of it |
//   trailer: chunks, ops, bytes u48, SHA-256
// (V1) A frame's CRC covers its kind and length too; the trailer's hash covers every byte of the file before the trailer. Nothing
//      follows it.
// (V2) A backup is whole or it is refused: cut short, flipped, with frames lost, moved or added, the first place of damage is named.
// (V3) A file has its name only when it is whole and durable; before that it has another one.

import { createHash } from "node:crypto";
import { link, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { zstdCompress, zstdDecompress } from "node:zlib";
import { ByteReader, ByteWriter, utf8Bytes } from "../base/bytes.ts";
import { checksum } from "../base/checksum.ts";
import { PawlError, assert, messageOf } from "../base/errors.ts";
import { limits } from "../limits.ts";
import { decodeChunk, encodeChunk, opBytes } from "./copychunk.ts";
import { unknownFormat } from "./quarantine.ts";
import type { FileHandle } from "node:fs/promises";
import type { Chunk, CopyEnd } from "./copychunk.ts";
import type { StateStage } from "./statestage.ts";

export type BackupHeader = {
  /** The cluster's name, and its id. */
  readonly cluster: string;
  readonly clusterId: string;
  readonly version: string;
  readonly takenAtMs: number;
};
export type BackupSummary = {
  readonly header: BackupHeader;
  readonly end: CopyEnd;
  readonly chunks: number;
  readonly fileBytes: number;
};

/** Where a backup is written to. */
export interface BackupSink {
  write(bytes: Uint8Array): Promise<void>;
}

/** What a backup is made of: StateCopy, or chunks that came over a link. */
export interface ChunkSource {
  next(): Promise<Chunk | undefined>;
}

const MAGIC = utf8Bytes("PAWLBACK");
const VERSION = 1;
const FRAME_HEAD_BYTES = 5;
const CRC_BYTES = 4;
const HASH_BYTES = 32;
const kinds = { header: 1, chunk: 2, trailer: 3 } as const;

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** Writes all chunks of a copy; the sink is not closed. */
export async function writeBackup(sink: BackupSink, header: BackupHeader, source: ChunkSource): Promise<BackupSummary> {
  const bytes = backupBytes(header, source);
  for (let step = await bytes.next(); ; step = await bytes.next()) {
    if (step.done === true) return step.value;
    await sink.write(step.value);
  }
}

/** The bytes of a backup, piece by piece as they are asked for. */
export async function* backupBytes(header: BackupHeader, source: ChunkSource): AsyncGenerator<Uint8Array, BackupSummary, undefined> {
  const hash = createHash("sha256");
  let fileBytes = 0;
  const hashed = (bytes: Uint8Array): Uint8Array => {
    hash.update(bytes);
    fileBytes += bytes.length;
    return bytes;
  };
  yield hashed(Uint8Array.of(...MAGIC, VERSION));
  yield hashed(frame(kinds.header, encodeHeader(header)));
  let end: CopyEnd | undefined;
  let chunks = 0;
  for (let chunk = await source.next(); chunk !== undefined; chunk = await source.next()) {
    const plain = encodeChunk(chunk);
    const out = new ByteWriter(plain.length);
    out.u32(plain.length);
    out.raw(await compress(plain));
    yield hashed(frame(kinds.chunk, out.take()));
    end = chunk.end;
    chunks++;
  }
  assert(end !== undefined, "the last chunk of a copy says what it is");
  const trailer = new ByteWriter();
  for (const count of [chunks, end.ops, end.bytes]) trailer.u48(count);
  trailer.raw(hash.digest());
  const last = frame(kinds.trailer, trailer.take());
  yield last;
  return { header, end, chunks, fileBytes: fileBytes + last.length };
}

/** Reads all of a backup and checks it (V2). `progress` is told the bytes read so far. Throws PawlError("quarantined"). */
export async function verifyBackup(path: string, progress: (bytes: number) => void = () => undefined): Promise<BackupSummary> {
  const reading = readBackup(path, progress);
  for (let step = await reading.next(); ; step = await reading.next()) if (step.done === true) return step.value;
}

/** Lays a backup down, going on where an earlier try ended. What is laid down counts only if this ends without an error. */
export async function layBackup(path: string, stage: StateStage, progress: (bytes: number) => void): Promise<BackupSummary> {
  const reading = readBackup(path, progress);
  try {
    for (let step = await reading.next(); ; step = await reading.next()) {
      if (step.done === true) return step.value;
      const chunk = step.value;
      if (stage.copy === chunk.copy && chunk.number < stage.next) continue;
      await stage.lay(chunk);
    }
  } finally {
    await reading.return(undefined as never);
  }
}

/** The chunks of a backup, each checked; what follows the last one is checked before the summary is given. */
export async function* readBackup(path: string, progress: (bytes: number) => void): AsyncGenerator<Chunk, BackupSummary, undefined> {
  const file = await openFile(path);
  try {
    const frames = new FrameReader(path, file);
    await frames.begin();
    const header = decodeHeader(await frames.next(kinds.header));
    let before: Chunk | undefined;
    const counts = { chunks: 0, ops: 0, bytes: 0 };
    while (before?.end === undefined) {
      const chunk = await frames.chunk(before);
      counts.chunks++;
      counts.ops += chunk.ops.length;
      counts.bytes += chunk.ops.reduce((sum, op) => sum + opBytes(op), 0);
      before = chunk;
      progress(frames.at);
      yield chunk;
    }
    const { end } = before;
    if (end.ops !== counts.ops || end.bytes !== counts.bytes) throw frames.damaged("the chunks are not those that the last one speaks of");
    await frames.trailer(counts);
    progress(frames.at);
    return { header, end, chunks: counts.chunks, fileBytes: frames.at };
  } finally {
    await file.close();
  }
}

class FrameReader {
  /** Bytes read so far. */
  at = 0;
  private readonly path: string;
  private readonly file: FileHandle;
  private readonly hash = createHash("sha256");

  constructor(path: string, file: FileHandle) {
    this.path = path;
    this.file = file;
  }

  damaged(what: string): PawlError {
    return new PawlError("quarantined", `backup ${this.path}, byte ${this.at}: ${what}; use another backup`);
  }

  async begin(): Promise<void> {
    const start = await this.read(MAGIC.length + 1);
    if (Buffer.compare(start.subarray(0, MAGIC.length), MAGIC) !== 0) throw this.damaged("this is no backup of Pawl");
    const version = start[MAGIC.length];
    if (version !== VERSION) throw unknownFormat(`the backup ${this.path}`, version);
    this.hash.update(start);
    this.at += start.length;
  }

  /** The payload of the next frame, which must be of this kind. */
  async next(kind: number): Promise<Uint8Array> {
    const head = await this.read(FRAME_HEAD_BYTES);
    const reader = new ByteReader(head);
    const found = reader.u8();
    const length = reader.u32();
    if (found !== kind || length > limits.frameMaxBytes) throw this.damaged(`a frame of kind ${kind} is due, here is none`);
    const rest = await this.read(length + CRC_BYTES, FRAME_HEAD_BYTES);
    const payload = rest.subarray(0, length);
    if (new ByteReader(rest, length).u32() !== checksum(payload, checksum(head))) throw this.damaged("a frame fails its checksum");
    if (kind !== kinds.trailer) this.hash.update(head).update(rest);
    this.at += head.length + rest.length;
    return payload;
  }

  /** The chunk that follows `before`. */
  async chunk(before: Chunk | undefined): Promise<Chunk> {
    const payload = await this.next(kinds.chunk);
    const chunk = await this.unpacked(payload);
    const due = before === undefined ? 0 : before.number + 1;
    const copy = before?.copy ?? chunk.copy;
    if (chunk.number !== due || chunk.copy !== copy) throw this.damaged(`chunk ${chunk.number} is here, ${due} is due`);
    return chunk;
  }

  private async unpacked(payload: Uint8Array): Promise<Chunk> {
    try {
      const reader = new ByteReader(payload);
      const length = reader.u32();
      const plain = await decompress(reader.raw(reader.left), { maxOutputLength: Math.max(1, Math.min(length, limits.frameMaxBytes)) });
      return decodeChunk(new Uint8Array(plain.buffer, plain.byteOffset, plain.length));
    } catch (error) {
      if (error instanceof PawlError && error.code === "too_new") throw error;
      throw this.damaged(`a chunk cannot be read: ${messageOf(error)}`);
    }
  }

  async trailer(counts: { readonly chunks: number; readonly ops: number; readonly bytes: number }): Promise<void> {
    const reader = new ByteReader(await this.next(kinds.trailer));
    const named = [reader.u48(), reader.u48(), reader.u48()];
    if (named.join() !== [counts.chunks, counts.ops, counts.bytes].join()) throw this.damaged("the trailer counts other chunks");
    if (Buffer.compare(reader.raw(HASH_BYTES), this.hash.digest()) !== 0) throw this.damaged("the hash of the whole file is another");
    if ((await this.file.read(Buffer.alloc(1), 0, 1, this.at)).bytesRead !== 0) throw this.damaged("something follows the trailer");
  }

  private async read(length: number, ahead = 0): Promise<Uint8Array> {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const { bytesRead } = await this.file.read(out, at, length - at, this.at + ahead + at);
      if (bytesRead === 0) throw this.damaged("the file ends here");
      at += bytesRead;
    }
    return out;
  }
}

/** A backup on its way into a file (V3). */
export class BackupFile implements BackupSink {
  private readonly path: string;
  private readonly file: FileHandle;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.file = file;
  }

  /** Throws PawlError("io") when it cannot be made. */
  static async create(path: string): Promise<BackupFile> {
    return new BackupFile(path, await named(path, () => open(partOf(path), "w", 0o600)));
  }

  async write(bytes: Uint8Array): Promise<void> {
    await named(this.path, () => this.file.writeFile(bytes));
  }

  /** Reads all that was written and checks it (V2). */
  verify(): Promise<BackupSummary> {
    return verifyBackup(partOf(this.path));
  }

  /** Makes it durable and gives it its name. Throws PawlError("exists") when a file has that name already. */
  async finish(): Promise<void> {
    await named(this.path, async () => {
      await this.file.sync();
      await this.file.close();
      await link(partOf(this.path), this.path);
      await rm(partOf(this.path));
      const folder = await open(dirname(this.path), "r");
      await folder.sync().finally(() => folder.close());
    });
  }

  /** Removes what was written. */
  async abandon(): Promise<void> {
    await this.file.close();
    await rm(partOf(this.path), { force: true });
  }
}

function partOf(path: string): string {
  return `${path}.part`;
}

async function named<T>(path: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    if ((error as { code?: unknown }).code === "EEXIST") throw new PawlError("exists", `${path} is there already: name another file`);
    throw new PawlError("io", `backup ${path} cannot be written: ${messageOf(error)}`, { cause: error });
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r");
  } catch (error) {
    throw new PawlError("io", `backup ${path} cannot be opened: ${messageOf(error)}`, { cause: error });
  }
}

function frame(kind: number, payload: Uint8Array): Uint8Array {
  const out = new ByteWriter(payload.length + FRAME_HEAD_BYTES + CRC_BYTES);
  out.u8(kind);
  out.bytes(payload);
  const content = out.take();
  out.raw(content);
  out.u32(checksum(content));
  return out.take();
}

function encodeHeader({ cluster, clusterId, version, takenAtMs }: BackupHeader): Uint8Array {
  const out = new ByteWriter();
  out.string(cluster);
  out.string(clusterId);
  out.string(version);
  out.f64(takenAtMs);
  return out.take();
}

function decodeHeader(payload: Uint8Array): BackupHeader {
  const reader = new ByteReader(payload);
  return { cluster: reader.string(), clusterId: reader.string(), version: reader.string(), takenAtMs: reader.f64() };
}
