// Owns: frames of history files that were read: the ones used last stay in memory, and how many were asked for is counted, so that
// whoever looks through the history can do a bounded part of it in a turn.

import { limits } from "../limits.ts";
import { Block } from "./historyblock.ts";
import { IndexPage } from "./historyindex.ts";
import type { Files } from "./disk.ts";
import type { Frames } from "./historyday.ts";

export class FrameCache implements Frames {
  /** How often a frame was asked for, cached or not. */
  reads = 0;
  private readonly files: Files;
  /** By name and offset; the one used last is the last of the map. */
  private readonly frames = new Map<string, Block | IndexPage>();

  constructor(files: Files) {
    this.files = files;
  }

  block(name: string, offset: number, length: number): Block {
    return this.frame(name, offset, (key) => new Block(key, offset, this.files.read(name, offset, length))) as Block;
  }

  page(name: string, offset: number, length: number): IndexPage {
    return this.frame(name, offset, (key) => new IndexPage(key, offset, this.files.read(name, offset, length))) as IndexPage;
  }

  private frame(name: string, offset: number, read: (name: string) => Block | IndexPage): Block | IndexPage {
    this.reads++;
    const key = `${name}@${offset}`;
    const frame = this.frames.get(key) ?? read(name);
    this.frames.delete(key);
    this.frames.set(key, frame);
    if (this.frames.size > limits.historyFramesCachedMax) this.frames.delete(this.frames.keys().next().value as string);
    return frame;
  }

  /** What is cached of this file is let go. */
  drop(name: string): void {
    for (const key of this.frames.keys()) if (key.startsWith(`${name}@`)) this.frames.delete(key);
  }
}
