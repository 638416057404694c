// Owns: backups as a replica makes them: copies of its state, chunk by chunk as they are asked for. The copy is src/storage/statecopy.ts's,
// the file is made on the face (src/corelink.ts).
// (B1) A backup holds at least what the node had applied when it was asked: a checkpoint is made first if there is none so new.
// (B2) One chunk is on its way at a time, and only when it was asked for: who reads slowly delays nobody else. So many backups at once.
//      One that nobody asks on for is given up after a while, and not begun again in its middle.
// (B3) Damage that shows while a copy is made is this node's own: it ends as if it had been found at a start.

import { PawlError } from "../base/errors.ts";
import { limits } from "../limits.ts";
import { encodeChunk } from "../storage/copychunk.ts";
import type { StateStore } from "../storage/state.ts";
import { StateCopy } from "../storage/statecopy.ts";
import type { Timer } from "../system.ts";

export type BackupParts = {
  /** Names copies of this process: no other one's begin so. */
  readonly name: string;
  readonly store: StateStore;
  /** Resolves when a checkpoint of what is applied now, or of later, is durable. */
  checkpointed(): Promise<void>;
  /** No bytes after the last chunk, and with an error. */
  send(id: number, bytes: Uint8Array | undefined, error?: PawlError): void;
  failed(error: Error): void;
  after(delayMs: number, run: () => void): Timer;
};

type Backup = { copy: StateCopy | undefined; busy: Promise<void> | undefined; idle: Timer | undefined; isOver: boolean };

export class Backups {
  private readonly parts: BackupParts;
  private readonly backups = new Map<number, Backup>();

  constructor(parts: BackupParts) {
    this.parts = parts;
  }

  /** Makes the first chunk of a backup. Refused as "overloaded" when there are too many. */
  begin(id: number): void {
    const { parts, backups } = this;
    if (backups.size === limits.backupsMax) {
      const next = "wait until one of them has ended, or ask another node";
      return parts.send(id, undefined, new PawlError("overloaded", `${limits.backupsMax} backups are being made of this node; ${next}`));
    }
    const backup: Backup = { copy: undefined, busy: undefined, idle: undefined, isOver: false };
    backups.set(id, backup);
    backup.busy = this.make(id, backup);
  }

  /** The next chunk; refused as "unavailable" when the backup was given up. */
  next(id: number): void {
    const backup = this.backups.get(id);
    if (backup === undefined) return this.parts.send(id, undefined, givenUp());
    backup.idle?.cancel();
    if (backup.busy === undefined) backup.busy = this.make(id, backup);
  }

  private async make(id: number, backup: Backup): Promise<void> {
    try {
      if (backup.copy === undefined) await this.parts.checkpointed();
      if (backup.isOver) return;
      backup.copy ??= new StateCopy(this.parts.store, `${this.parts.name}.${id}`);
      const chunk = await backup.copy.next();
      backup.busy = undefined;
      if (backup.isOver) backup.copy.end();
      else this.parts.send(id, chunk && encodeChunk(chunk));
      if (chunk === undefined) this.backups.delete(id);
      else if (!backup.isOver) backup.idle = this.parts.after(limits.backupIdleMs, () => this.end(id));
    } catch (error) {
      this.backups.delete(id);
      backup.copy?.end();
      if (!(error instanceof PawlError) || error.code === "quarantined") return this.parts.failed(error as Error);
      if (!backup.isOver) this.parts.send(id, undefined, error);
    }
  }

  /** Nobody asks for more of it. */
  end(id: number): void {
    const backup = this.backups.get(id);
    if (backup === undefined) return;
    this.backups.delete(id);
    backup.isOver = true;
    backup.idle?.cancel();
    if (backup.busy === undefined) backup.copy?.end();
  }

  /** Gives up all backups; resolves when nothing of the state is read any more. */
  async stop(): Promise<void> {
    const reading = [...this.backups.values()].flatMap(({ copy, busy }) => (copy !== undefined && busy !== undefined ? [busy] : []));
    for (const id of [...this.backups.keys()]) {
      this.end(id);
      this.parts.send(id, undefined, givenUp());
    }
    await Promise.all(reading);
  }
}

function givenUp(): PawlError {
  const why = "it stops, takes up a snapshot, or was asked for no more for too long";
  return new PawlError("unavailable", `this node gave the backup up: ${why}; begin another one`);
}
