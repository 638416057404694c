// Owns: handing over many jobs in batches, several of them under way.

/** Calls `submit` for ranges of at most `size`, `parallel` of them at a time. */
export async function inBatches(
  count: number, size: number, parallel: number, submit: (from: number, to: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let from = next; from < count; from = next) {
      next = from + size;
      await submit(from, Math.min(count, from + size));
    }
  };
  await Promise.all(Array.from({ length: parallel }, lane));
}

export function range<T>(from: number, to: number, make: (at: number) => T): T[] {
  return Array.from({ length: to - from }, (_, i) => make(from + i));
}
