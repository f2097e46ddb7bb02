import { TypeOverrides, types } from "pg";
import { parsePostgresTimestamp } from "../time/instant.js";

const { builtins } = types;

function parseBigInt(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`A count of ${text} is past 2^53 - 1`);
  return value;
}

/**
 * How values come out of PostgreSQL: bigint as a number (checked), numeric and date as they are written (a float or a Date
 * would change them), timestamptz as whole microseconds, json as text where the reader wants to parse it itself.
 */
export const valueParsers = new TypeOverrides();
valueParsers.setTypeParser(builtins.INT8, parseBigInt);
valueParsers.setTypeParser(builtins.NUMERIC, (text: string) => text);
valueParsers.setTypeParser(builtins.DATE, (text: string) => text);
valueParsers.setTypeParser(builtins.TIMESTAMPTZ, parsePostgresTimestamp);
