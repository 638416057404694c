// Owns: the seam to stable storage. Everything that Pawl stores goes through these calls, so that LevelDB and the file system
// can be replaced by a simulated disk that loses, tears and delays. Nothing here knows what is stored.
// (D1) `write` is one atomic, synced batch; at most one per database is in flight (the callers keep to it, both disks assert it).
// (D2) No call holds a LevelDB snapshot or iterator beyond itself (LevelDB 1.20 may then return stale values): reads are `get`
//      (synchronous) and `page` (opened, read and closed in one go, never while a write of the same database is in flight).
// (D3) `done` is never called before the call that was given it has returned.

export type KvOp =
  | { readonly put: string; readonly value: Uint8Array }
  | { readonly del: string };

export type KvRange = {
  readonly gt?: string | undefined;
  readonly gte?: string | undefined;
  readonly lt?: string | undefined;
  readonly limit: number;
  /** The page may end early once its keys and values have this many bytes; never before its first row. */
  readonly maxBytes?: number | undefined;
  readonly reverse?: boolean | undefined;
};

/** A sorted store of text keys (ordered by their UTF-8 bytes) and byte values. */
export interface Kv {
  /** While a write is in flight, its keys may read as before or as after it. The result is the caller's own. */
  get(key: string): Uint8Array | undefined;
  /** Waits for a write in flight, then reads one closed page. */
  page(range: KvRange): Promise<[string, Uint8Array][]>;
  /** `done` is called with an error if the outcome is unknown: the process must then end. The values must not change until then. */
  write(ops: readonly KvOp[], done: (error?: Error) => void): void;
  close(): Promise<void>;
}

/** Append-only files by name ("history/0/2026-11-21"). Offsets in bytes. */
export interface Files {
  /** Appends without sync, creating the file if needed; the bytes are visible to `read` at once. */
  append(name: string, data: Uint8Array): void;
  /** Makes everything appended to these files before this call durable, then calls `done`. */
  sync(names: readonly string[], done: (error?: Error) => void): void;
  /** Fewer bytes than asked for where the file ends. */
  read(name: string, offset: number, length: number): Uint8Array;
  /** 0 for a file that does not exist. */
  size(name: string): number;
  truncate(name: string, length: number): void;
  /** Names of the files in a folder ("history/0/"), sorted; empty when there is no such folder. */
  list(folder: string): string[];
  /** A removed file may be back after a crash. */
  remove(name: string): void;
}

/** Runs a function in a later turn of the loop. */
export type Soon = (run: () => void) => void;

export type KvOptions = { readonly writeBufferBytes: number; readonly openFilesMax: number; readonly compression: boolean };

export interface Disk {
  /** Opens a database, or makes an empty one that is still there after a crash. */
  open(name: string, options: KvOptions): Promise<Kv>;
  /** Names of the databases, sorted. */
  databases(): string[];
  /** Removes a closed database, if there is one, for good. A crash on the way leaves all or nothing of it. */
  remove(name: string): Promise<void>;
  /** Bytes that can still be written. */
  freeBytes(): Promise<number>;
  readonly files: Files;
  close(): Promise<void>;
}
