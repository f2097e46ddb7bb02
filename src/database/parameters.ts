/**
 * The values of a statement whose text is put together from parts: a value gets into the text as "$1", "$2" and no other
 * way. The parts themselves are constants of the program.
 */
export class Parameters {
  readonly values: unknown[] = [];

  /** Binds a value and returns what stands for it in the text. */
  add(value: unknown): string {
    return `$${this.values.push(value)}`;
  }
}
