// Owns: the mistakes that a mutant is wanted for: the traps 1 to 80 of consensus, as they befell other projects, and the timelines H1 to
// H16 that a scheduler must close (the tests name both). Whatever has no mutant has a reason here.

export const traps: readonly string[] = Array.from({ length: 80 }, (_, i) => String(i + 1));

const lettered = (rule: string, last: string): string[] =>
  Array.from({ length: last.charCodeAt(0) - 96 }, (_, i) => rule + String.fromCharCode(97 + i));

export const timelines: readonly string[] = [
  ...lettered("H1", "f"),
  ...lettered("H2", "e"),
  "H3",
  ...lettered("H4", "e"),
  ...lettered("H5", "d"),
  ...lettered("H6", "j"),
  ...lettered("H7", "c"),
  ...lettered("H8", "f"),
  "H9",
  ...lettered("H10", "f"),
  ...lettered("H11", "d"),
  "H12",
  ...lettered("H13", "d"),
  "H14",
  "H15",
  ...Array.from({ length: 16 }, (_, i) => `H16.${i + 1}`),
];

/** Why there is nothing to put back. */
export const withoutMutant: Readonly<Record<string, string>> = {
  "8": "a snapshot is taken up by one batch and a new start; the core waits for no word of it",
  "67": "there are no lease reads",
  "68": "there are no lease reads",
  "H16.5": "the same as H6a: what is sent to a target leaves by apply alone",
  "H16.7": "there are no rate limits",
  "H16.8": "there are no calendars, and apply computes no local time",
  "H16.9": "schedules have no jitter",
  "H16.10": "there is no redrive",
  "H16.12": "a follower forwards a change unread; there is no code that could judge it",
};
