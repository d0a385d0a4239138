/** One command of `crossrank`: a file of its own, loaded when it is asked for. */
export interface Command {
  /** What `crossrank NAME --help` prints: how it is called, every option with its default, an example. */
  help: string;
  /**
   * Resolves to the exit code: 0 it holds or is done, 1 it does not hold or failed, 130 ended with Ctrl-C.
   * @throws UsageError where the command line is wrong; anything else is printed with its code and is exit code 1
   */
  run(args: readonly string[]): Promise<number>;
}
