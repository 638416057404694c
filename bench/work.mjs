// The job type of the benchmarks that takes any payload and does nothing. A module of JavaScript: it is loaded by the compiled program.
export default { type: "work", run: () => undefined };
