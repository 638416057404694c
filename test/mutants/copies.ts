// Owns: the private copies of the checkout that mutants are put into. The shared one is never changed.

import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { edited, occurrences } from "./mutant.ts";
import type { Edit } from "./mutant.ts";

const PARTS = ["src", "test", "bench", "package.json", "tsconfig.json"];

export class Copies {
  private readonly root: string;
  private readonly folder = mkdtempSync(join(tmpdir(), "pawl-mutants-"));
  private made = 0;

  constructor(root: string) {
    this.root = root;
  }

  /** A copy with these edits. Throws when one of them does not apply exactly once. */
  make(edits: readonly Edit[] = []): string {
    const copy = join(this.folder, String(++this.made));
    for (const part of PARTS) cpSync(join(this.root, part), join(copy, part), { recursive: true });
    symlinkSync(join(this.root, "node_modules"), join(copy, "node_modules"));
    for (const edit of edits) {
      const file = join(copy, edit.file);
      const text = readFileSync(file, "utf8");
      const count = occurrences(text, edit);
      if (count !== 1) throw new Error(`${edit.file} has ${JSON.stringify(edit.find.slice(0, 60))} ${count} times`);
      writeFileSync(file, edited(text, edit));
    }
    return copy;
  }

  remove(copy: string): void {
    rmSync(copy, { recursive: true, force: true });
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
