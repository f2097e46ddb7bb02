/**
 * An instant is a plain number of microseconds, so that millions of events can be compared and bucketed without an object each.
 * Between August 1684 and June 2255 every microsecond is a safe integer. The rest of the years 0001 to 9999 is there for ranges
 * ("everything so far"): whole seconds are exact there as doubles too, and a fraction of a second is dropped.
 *
 * Parsing is by hand: every event passes here, and neither Date (milliseconds, lenient) nor a regular expression is fast enough.
 */
import { civilDate, dayNumber, daysInMonth } from "./civil-date.js";
import { InvalidTimeError } from "./invalid-time-error.js";

/** Whole microseconds since the Unix epoch. */
export type EpochMicros = number & { readonly __brand: "EpochMicros" };

export const MICROS_PER_SECOND = 1_000_000;
export const MICROS_PER_DAY = 86_400 * MICROS_PER_SECOND;
/** 0001-01-01T00:00:00Z, the earliest instant there is. */
export const EARLIEST_INSTANT = (dayNumber(1, 1, 1) * MICROS_PER_DAY) as EpochMicros;
/** 10000-01-01T00:00:00Z, the first instant too late. */
export const END_OF_TIME = (dayNumber(10_000, 1, 1) * MICROS_PER_DAY) as EpochMicros;

const ZERO = 48;
const PLUS = 43;
const MINUS = 45;
const POINT = 46;
const COLON = 58;
const SPACE = 32;
const LETTER_T = 84;
const LETTER_Z = 90;
const TO_UPPER_CASE = ~32;
/** What each fraction digit is worth in microseconds; from the seventh on nothing, which truncates. */
const FRACTION_WEIGHTS = [100_000, 10_000, 1_000, 100, 10, 1, 0, 0, 0];

/**
 * An ISO 8601 / RFC 3339 date-time with an offset (Z, ±hh:mm, ±hhmm, ±hh); `t` and `z` are taken too, seconds may be left out.
 * One to nine fraction digits, truncated to microseconds. Null for anything else: no calendar day, 24:00, a leap second,
 * a UTC year outside 0001 to 9999.
 */
export function parseInstant(text: string): EpochMicros | null {
  const length = text.length;
  if (length < 17 || length > 35) return null;
  if ((text.charCodeAt(10) & TO_UPPER_CASE) !== LETTER_T) return null;
  const minutes = readDateAndMinutes(text);
  if (minutes === -Infinity) return null;

  let position = 16;
  let second = 0;
  let fraction = 0;
  if (text.charCodeAt(16) === COLON) {
    second = readTwoDigits(text, 17);
    if (second < 0 || second > 59) return null;
    position = 19;
    if (text.charCodeAt(19) === POINT) {
      position = endOfFraction(text, 20, 9);
      if (position === 20) return null;
      fraction = readFraction(text, 20, position);
    }
  }

  const offset = readOffsetMinutes(text, position);
  if (offset === -Infinity) return null;
  return toMicros((minutes - offset) * 60 + second, fraction);
}

/**
 * PostgreSQL's text form of a timestamptz under `TimeZone = UTC` and `DateStyle = ISO`: "2026-11-20 12:00:00.000123+00".
 * Throws InvalidTimeError for what the project never stores: BC, infinity, another offset.
 */
export function parsePostgresTimestamp(text: string): EpochMicros {
  const end = text.length - 3;
  let fraction = 0;
  let wellFormed =
    end >= 19 &&
    text.charCodeAt(end) === PLUS &&
    text.charCodeAt(end + 1) === ZERO &&
    text.charCodeAt(end + 2) === ZERO &&
    text.charCodeAt(10) === SPACE &&
    text.charCodeAt(16) === COLON;
  if (wellFormed && end > 19) {
    wellFormed = end > 20 && text.charCodeAt(19) === POINT && endOfFraction(text, 20, 6) === end;
    if (wellFormed) fraction = readFraction(text, 20, end);
  }
  const minutes = wellFormed ? readDateAndMinutes(text) : -Infinity;
  const second = wellFormed ? readTwoDigits(text, 17) : -1;
  const instant = minutes === -Infinity || second < 0 || second > 59 ? null : toMicros(minutes * 60 + second, fraction);
  if (instant === null) throw new InvalidTimeError(`Not a timestamptz in UTC: ${JSON.stringify(text.slice(0, 64))}`);
  return instant;
}

/**
 * UTC with milliseconds, and microseconds where there are any: "2026-11-20T12:00:00.000Z", "2026-11-20T12:00:00.000123Z".
 * PostgreSQL reads it as well. Throws InvalidTimeError outside the years 0001 to 9999 and for what is no whole number.
 */
export function formatInstant(instant: EpochMicros): string {
  if (!(instant >= EARLIEST_INSTANT && instant < END_OF_TIME && Number.isInteger(instant))) {
    throw new InvalidTimeError(`Not an instant of the years 0001 to 9999: ${instant}`);
  }
  const remainder = instant % MICROS_PER_SECOND;
  const fraction = remainder < 0 ? remainder + MICROS_PER_SECOND : remainder;
  const seconds = (instant - fraction) / MICROS_PER_SECOND;
  const days = Math.floor(seconds / 86_400);
  const secondOfDay = seconds - days * 86_400;
  const { year, month, day } = civilDate(days);
  const fractionDigits =
    fraction % 1000 === 0 ? String(fraction / 1000).padStart(3, "0") : String(fraction).padStart(6, "0");
  return (
    `${String(year).padStart(4, "0")}-${twoDigits(month)}-${twoDigits(day)}T${twoDigits(Math.floor(secondOfDay / 3600))}:` +
    `${twoDigits(Math.floor(secondOfDay / 60) % 60)}:${twoDigits(secondOfDay % 60)}.${fractionDigits}Z`
  );
}

/** The instant of a count of milliseconds since the Unix epoch, as clocks and Date give it; a fraction of a microsecond is dropped. */
export function instantFromMillis(millis: number): EpochMicros {
  return Math.floor(millis * 1000) as EpochMicros;
}

/** "YYYY-MM-DD?hh:mm" at the start of the text as minutes since the epoch, -Infinity where it is none. */
function readDateAndMinutes(text: string): number {
  if (text.charCodeAt(4) !== MINUS || text.charCodeAt(7) !== MINUS || text.charCodeAt(13) !== COLON) return -Infinity;
  const century = readTwoDigits(text, 0);
  const yearOfCentury = readTwoDigits(text, 2);
  const month = readTwoDigits(text, 5);
  const day = readTwoDigits(text, 8);
  const hour = readTwoDigits(text, 11);
  const minute = readTwoDigits(text, 14);
  if (century < 0 || yearOfCentury < 0 || month < 1 || month > 12 || day < 1) return -Infinity;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59) return -Infinity;
  const year = century * 100 + yearOfCentury;
  if (year === 0 || (day > 28 && day > daysInMonth(year, month))) return -Infinity;
  return dayNumber(year, month, day) * 1440 + hour * 60 + minute;
}

/** The offset that fills the text from here to its end, in minutes; -Infinity where it is none. */
function readOffsetMinutes(text: string, position: number): number {
  const length = text.length;
  if (position >= length) return -Infinity;
  const sign = text.charCodeAt(position);
  if ((sign & TO_UPPER_CASE) === LETTER_Z) return position + 1 === length ? 0 : -Infinity;
  if (sign !== PLUS && sign !== MINUS) return -Infinity;

  const digits = length - position - 1;
  const hasColon = digits === 5 && text.charCodeAt(position + 3) === COLON;
  if (digits !== 2 && digits !== 4 && !hasColon) return -Infinity;
  const hours = readTwoDigits(text, position + 1);
  const minutes = digits === 2 ? 0 : readTwoDigits(text, length - 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return -Infinity;
  return sign === PLUS ? hours * 60 + minutes : -(hours * 60 + minutes);
}

/** Two digits as a number, -1 where they are none. Past the end of the text charCodeAt is NaN, which is none. */
function readTwoDigits(text: string, position: number): number {
  const tens = text.charCodeAt(position) - ZERO;
  const ones = text.charCodeAt(position + 1) - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1;
}

/** Where the digits that begin here end; at most `limit` of them. */
function endOfFraction(text: string, start: number, limit: number): number {
  const end = Math.min(text.length, start + limit);
  let position = start;
  while (position < end && text.charCodeAt(position) >= ZERO && text.charCodeAt(position) <= ZERO + 9) position++;
  return position;
}

/** Fraction digits as microseconds. */
function readFraction(text: string, start: number, end: number): number {
  let micros = 0;
  for (let position = start; position < end; position++) {
    micros += (text.charCodeAt(position) - ZERO) * (FRACTION_WEIGHTS[position - start] ?? 0);
  }
  return micros;
}

function toMicros(seconds: number, fraction: number): EpochMicros | null {
  const whole = seconds * MICROS_PER_SECOND;
  if (whole < EARLIEST_INSTANT || whole >= END_OF_TIME) return null;
  const micros = whole + fraction;
  return (Number.isSafeInteger(whole) && Number.isSafeInteger(micros) ? micros : whole) as EpochMicros;
}

function twoDigits(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}
