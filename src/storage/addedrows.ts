// Owns: cold rows that were added since a checkpoint, by key. What else changed, and what is stored, is coldrows.ts's.
// (R1) Most of them are written and never looked for before they are stored: what is left of jobs that ended. So they wait in lists, one
//      for each first letter of a key, and a list becomes a part of the map when a key with its letter is asked for. To put each into
//      the map at once took a sixth of the processor time that the end of a one-shot costs.

type List = { readonly keys: string[]; readonly rows: Uint8Array[] };

const LETTERS = 64;

export class AddedRows {
  private readonly map = new Map<string, Uint8Array>();
  private readonly lists = new Array<List | undefined>(LETTERS).fill(undefined);
  private waiting = 0;

  get size(): number {
    return this.map.size + this.waiting;
  }

  /** Of a key that has none here. */
  add(key: string, row: Uint8Array): void {
    const list = (this.lists[letterOf(key)] ??= { keys: [], rows: [] });
    list.keys.push(key);
    list.rows.push(row);
    this.waiting++;
  }

  get(key: string): Uint8Array | undefined {
    return this.mapWith(key).get(key);
  }

  /** False, and nothing changed, when the key has no row here. */
  replace(key: string, row: Uint8Array): boolean {
    const map = this.mapWith(key);
    if (!map.has(key)) return false;
    map.set(key, row);
    return true;
  }

  /** Whether there was one. */
  delete(key: string): boolean {
    return this.mapWith(key).delete(key);
  }

  /**
   * All that are there when it begins, in no order. It may take many turns: what is asked for meanwhile moves from a list to the map,
   * and must come neither twice nor never.
   */
  *[Symbol.iterator](): Generator<[string, Uint8Array]> {
    const lists = [...this.lists];
    yield* [...this.map];
    for (const list of lists) {
      if (list === undefined) continue;
      const { keys, rows } = list;
      for (let i = 0; i < keys.length; i++) yield [keys[i] as string, rows[i] as Uint8Array];
    }
  }

  /** The map, which has all that is known of this key (R1). */
  private mapWith(key: string): Map<string, Uint8Array> {
    const letter = letterOf(key);
    const list = this.lists[letter];
    if (list === undefined) return this.map;
    const { keys, rows } = list;
    for (let i = 0; i < keys.length; i++) this.map.set(keys[i] as string, rows[i] as Uint8Array);
    this.waiting -= keys.length;
    this.lists[letter] = undefined;
    return this.map;
  }
}

function letterOf(key: string): number {
  return key.charCodeAt(0) % LETTERS;
}
