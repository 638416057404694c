// Owns: the order in which base pages are written: table after table, page after page, round and round. A sweep is one round; a
// checkpoint never writes past the end of one.
// (W1) A row that appears behind the sweep's place was changed since the sweep began, so it is in a kept delta, or in a page that was
//      written since in place of one.

/** The part of a table that a sweep must know. */
export type Swept = { readonly pageRows: number; rowCount(): number };

export class Sweep {
  /** Checkpoint at which this sweep began. */
  from = 1;
  table = 0;
  page = 0;
  /** Start of the last finished sweep; changes before it are needed no more. Checkpoint 1 while there is none. */
  neededFrom = 1;
  private readonly tables: readonly Swept[];

  constructor(tables: readonly Swept[]) {
    this.tables = tables;
  }

  /** How many pages a sweep has now. */
  pages(): number {
    return this.tables.reduce((sum, table) => sum + Math.ceil(table.rowCount() / table.pageRows), 0);
  }

  /** The next page, or undefined when the sweep has reached its end. */
  next(): { readonly table: number; readonly page: number } | undefined {
    for (let table = this.tables[this.table]; table !== undefined; table = this.tables[++this.table]) {
      if (this.page * table.pageRows < table.rowCount()) return { table: this.table, page: this.page++ };
      this.page = 0;
    }
    return undefined;
  }

  /** Notes, after the pages of checkpoint `number` were taken, whether they finished the sweep. */
  close(number: number): void {
    const at = this.next();
    if (at !== undefined) {
      this.page--;
      return;
    }
    this.neededFrom = this.from;
    this.from = number + 1;
    this.table = 0;
    this.page = 0;
  }
}
