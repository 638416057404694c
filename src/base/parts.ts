// Owns: work that is too long for one turn of a loop that has other things to do: a generator that yields after each part of it.

/** Yields after each part, which takes a millisecond or so. */
export type Parts = Generator<void, void>;

export function allAtOnce(parts: Parts): void {
  while (parts.next().done !== true);
}

/** Some parts in each turn; `soon` runs a function in a later one. */
export function inTurns(parts: Parts, partsPerTurn: number, soon: (run: () => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const turn = (): void => {
      try {
        for (let i = 0; i < partsPerTurn; i++) if (parts.next().done === true) return resolve();
      } catch (error) {
        return reject(error);
      }
      soon(turn);
    };
    turn();
  });
}
