// Owns: a bounded memory of values by key, for what can be made or read again. When the younger half is full the older one goes as a
// whole: taking out the oldest one by one costs a Map a search past all that were taken out before.

export class Kept<K, V> {
  private young = new Map<K, V>();
  private old = new Map<K, V>();
  private weight = 0;
  private readonly halfMax: number;
  private readonly weightOf: (value: V) => number;

  /** At most values of `max` in weight; each weighs 1 unless told otherwise. At least those used last, of half of that, are kept. */
  constructor(max: number, weightOf: (value: V) => number = () => 1) {
    this.halfMax = max / 2;
    this.weightOf = weightOf;
  }

  get(key: K): V | undefined {
    const value = this.young.get(key);
    if (value !== undefined) return value;
    const older = this.old.get(key);
    if (older !== undefined) this.add(key, older);
    return older;
  }

  /** One that weighs more than half of all is not kept. */
  add(key: K, value: V): void {
    this.forget(key);
    const weight = this.weightOf(value);
    if (weight > this.halfMax) return;
    if (this.weight + weight > this.halfMax) {
      this.old = this.young;
      this.young = new Map();
      this.weight = 0;
    }
    this.young.set(key, value);
    this.weight += weight;
  }

  forget(key: K): void {
    const value = this.young.get(key);
    if (value !== undefined) {
      this.young.delete(key);
      this.weight -= this.weightOf(value);
    }
    this.old.delete(key);
  }
}
