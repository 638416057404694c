// Owns: the handler that Pawl's nodes run in the comparison, loaded by the setting `plugins`: code of a user that does nothing, as the
// peers' does. How late it is called is counted by the node itself (pawl_start_lateness_seconds).

export const handled = { type: "handled", run: async (): Promise<void> => undefined };
