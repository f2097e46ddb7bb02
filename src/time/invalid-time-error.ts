/** A date, range or instant that cannot be: malformed, backwards, or outside the years 0001 to 9999. The borders map it to a code of theirs. */
export class InvalidTimeError extends RangeError {
  override readonly name = "InvalidTimeError";
}
