// Owns: which ids jobs that ended may have, as hashes in memory: hardly a new job has one of theirs, and to look for it in the database
// costs as much as all else that is done to make the job. What is kept of them is endedrows.ts's, who reads it src/cluster's business.
// (N1) "No" is the truth. It is only said while the hash of every job that ended and is kept is here: not before the rows that an
//      earlier process left were read, and not once there are too many.
// (N2) A hash stays when its job is forgotten, so that two jobs may share it. Reading all rows again leaves it out.
// Memory of this process, not state: whoever is told "maybe" looks, and finds what all replicas find.

const PARTS = 1_024;
const PART_SHIFT = 22;
const SLOTS_MIN = 16;
/** So many hashes of jobs that are gone are worth no reading, however few jobs there are. */
const STALE_MIN = 65_536;

/** A set of 32-bit numbers in small open-addressing tables, so that none that grows holds up a turn. */
class Hashes {
  size = 0;
  private readonly tables: (Uint32Array<ArrayBuffer> | undefined)[] = new Array<undefined>(PARTS).fill(undefined);
  private readonly counts = new Uint32Array(PARTS);

  has(hash: number): boolean {
    const value = hash === 0 ? 1 : hash;
    const table = this.tables[value >>> PART_SHIFT];
    return table !== undefined && table[placeOf(table, value)] === value;
  }

  add(hash: number): void {
    const value = hash === 0 ? 1 : hash;
    const part = value >>> PART_SHIFT;
    const table = (this.tables[part] ??= new Uint32Array(SLOTS_MIN));
    const place = placeOf(table, value);
    if (table[place] === value) return;
    table[place] = value;
    this.size++;
    const count = (this.counts[part] as number) + 1;
    this.counts[part] = count;
    if (count * 4 > table.length * 3) this.tables[part] = doubled(table);
  }
}

/** Where the value is, or the empty place where it would be. */
function placeOf(table: Uint32Array, value: number): number {
  const mask = table.length - 1;
  let place = value & mask;
  while (table[place] !== 0 && table[place] !== value) place = (place + 1) & mask;
  return place;
}

function doubled(table: Uint32Array): Uint32Array<ArrayBuffer> {
  const bigger = new Uint32Array(table.length * 2);
  for (const value of table) if (value !== 0) bigger[placeOf(bigger, value)] = value;
  return bigger;
}

export class EndedIds {
  private readonly max: number;
  /** Undefined while they are not all known. */
  private known: Hashes | undefined = new Hashes();
  private reading: Hashes | undefined;

  /** Of a state that no job has ended in yet. At most `max` hashes are kept. */
  constructor(max: number) {
    this.max = max;
  }

  /** Whether a job with this hash of its id may have ended (N1). */
  mayHave(hash: number): boolean {
    return this.known === undefined || this.known.has(hash);
  }

  /** A job with this hash of its id has ended. */
  add(hash: number): void {
    this.known = this.added(this.known, hash);
    this.reading = this.added(this.reading, hash);
  }

  private added(hashes: Hashes | undefined, hash: number): Hashes | undefined {
    hashes?.add(hash);
    return hashes !== undefined && hashes.size > this.max ? undefined : hashes;
  }

  /** There are rows of jobs that were not seen to end. */
  lost(): void {
    this.known = undefined;
  }

  get isReading(): boolean {
    return this.reading !== undefined;
  }

  /** Whether all rows should be read, of which there are so many. */
  isWorthReading(rows: number): boolean {
    if (rows > this.max / 2) return false;
    return this.known === undefined || this.known.size > STALE_MIN + 2 * rows;
  }

  /** All rows that there are from now on are added or read. */
  beginReading(): void {
    this.reading = new Hashes();
  }

  read(hash: number): void {
    this.reading = this.added(this.reading, hash);
  }

  /** All rows were read that were there when it began, and have not gone since. */
  finishReading(): void {
    this.known = this.reading ?? this.known;
    this.reading = undefined;
  }
}
