/**
 * Columns of many rows as arrays in PostgreSQL's binary form, which the driver hands on as they are. Neither side writes out a
 * text for the other to parse: the same rows as JSON took PostgreSQL a quarter of all that it does for an event.
 * Arrays of a fixed width without nulls are read at a place, `($1::uuid[])[n]`, as fast as a column; one of texts is read from
 * its beginning each time, so that it has to be unnested.
 */
import { EARLIEST_INSTANT, END_OF_TIME, type EpochMicros, MICROS_PER_SECOND } from "../time/instant.js";

/** A value that PostgreSQL could not have read either; `code` is the SQLSTATE that it has for it. */
export class InvalidValue extends TypeError {
  override readonly name = "InvalidValue";
  readonly code = "22P02";
}

/** Object ids of PostgreSQL's own types, which never change. */
const UUID_OID = 2950;
const TIMESTAMPTZ_OID = 1184;
const INTEGER_OID = 23;
const TEXT_OID = 25;

const HEADER_BYTES = 20;
const EMPTY_HEADER_BYTES = 12;
const LENGTH_BYTES = 4;
const UUID_BYTES = 16;
const INSTANT_BYTES = LENGTH_BYTES + 8;

/** The header of an array of one dimension, and room for its elements. */
function arrayOf(oid: number, elements: number, elementsBytes: number, hasNulls = false): Buffer {
  if (elements === 0) {
    const empty = Buffer.alloc(EMPTY_HEADER_BYTES);
    empty.writeInt32BE(oid, 8);
    return empty;
  }
  const array = Buffer.allocUnsafe(HEADER_BYTES + elementsBytes);
  array.writeInt32BE(1, 0);
  array.writeInt32BE(hasNulls ? 1 : 0, 4);
  array.writeInt32BE(oid, 8);
  array.writeInt32BE(elements, 12);
  array.writeInt32BE(1, 16);
  return array;
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
}

/** What each hexadecimal digit is worth, by its character; 255 for what is none. */
const DIGITS = new Uint8Array(128).fill(255);
for (const [value, digit] of [..."0123456789abcdef"].entries()) {
  DIGITS[digit.charCodeAt(0)] = value;
  DIGITS[digit.toUpperCase().charCodeAt(0)] = value;
}
/** Where the bytes of a UUID begin in its text. */
const UUID_PLACES = Uint8Array.of(0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34);
const UUID_CHARS = 36;

/** Of `uuid[]`. Throws InvalidValue for what is no UUID with hyphens. */
export function uuidArray<Item>(items: readonly Item[], of: (item: Item) => string): Buffer {
  const array = arrayOf(UUID_OID, items.length, items.length * (LENGTH_BYTES + UUID_BYTES));
  const view = viewOf(array);
  let last: string | undefined;
  let at = HEADER_BYTES;
  for (const item of items) {
    const uuid = of(item);
    view.setInt32(at, UUID_BYTES);
    at += LENGTH_BYTES;
    if (uuid === last) {
      // Neighbours mostly share their tenant, their call or their campaign.
      const before = at - LENGTH_BYTES - UUID_BYTES;
      for (let word = 0; word < UUID_BYTES; word += 4) view.setInt32(at + word, view.getInt32(before + word));
    } else {
      writeUuid(array, at, uuid);
      last = uuid;
    }
    at += UUID_BYTES;
  }
  return array;
}

function writeUuid(array: Buffer, at: number, uuid: string): void {
  let faults = uuid.length === UUID_CHARS ? 0 : 255;
  for (let byte = 0; byte < UUID_BYTES; byte++) {
    const place = UUID_PLACES[byte] ?? 0;
    const high = DIGITS[uuid.charCodeAt(place)] ?? 255;
    const low = DIGITS[uuid.charCodeAt(place + 1)] ?? 255;
    faults |= high | low;
    array[at + byte] = (high << 4) | low;
  }
  if (faults > 15) throw new InvalidValue("A value is no uuid");
}

const TWO_TO_32 = 2 ** 32;
/** PostgreSQL counts from 2000-01-01. */
const POSTGRES_EPOCH_MICROS = 946_684_800 * MICROS_PER_SECOND;

/** Of `timestamptz[]`, from microseconds since the Unix epoch. Throws InvalidValue for other values. */
export function instantArray<Item>(items: readonly Item[], of: (item: Item) => EpochMicros): Buffer {
  const array = arrayOf(TIMESTAMPTZ_OID, items.length, items.length * INSTANT_BYTES);
  const view = viewOf(array);
  let at = HEADER_BYTES;
  for (const item of items) {
    view.setInt32(at, 8);
    writeInstant(view, at + LENGTH_BYTES, of(item));
    at += INSTANT_BYTES;
  }
  return array;
}

const INFINITY_ELEMENT = Buffer.from("000000087fffffffffffffff", "hex");

/**
 * A `timestamptz[]` for each of the columns of these rows. Most values are taken to be Infinity, which is "infinity": an array
 * that is read at a place must not hold nulls.
 */
export function instantColumns(rows: readonly (readonly number[])[], width: number): Buffer[] {
  const { columns, views } = filledColumns(TIMESTAMPTZ_OID, rows.length, width, INFINITY_ELEMENT);
  let at = HEADER_BYTES + LENGTH_BYTES;
  for (const row of rows) {
    for (let column = 0; column < width; column++) {
      const instant = row[column] ?? Number.NaN;
      const view = views[column];
      if (instant !== Number.POSITIVE_INFINITY && view !== undefined) writeInstant(view, at, instant);
    }
    at += INSTANT_BYTES;
  }
  return columns;
}

function filledColumns(oid: number, rows: number, width: number, element: Buffer) {
  const columns = Array.from({ length: width }, () => arrayOf(oid, rows, rows * element.length));
  for (const column of columns) column.fill(element, Math.min(HEADER_BYTES, column.length));
  return { columns, views: columns.map((column) => viewOf(column)) };
}

function writeInstant(view: DataView, at: number, instant: number): void {
  if (!(Number.isInteger(instant) && instant >= EARLIEST_INSTANT && instant < END_OF_TIME)) {
    throw new InvalidValue("A value is no instant of the years 0001 to 9999");
  }
  const micros = instant - POSTGRES_EPOCH_MICROS;
  const high = Math.floor(micros / TWO_TO_32);
  view.setInt32(at, high);
  view.setUint32(at + 4, micros - high * TWO_TO_32);
}

const ZERO_ELEMENT = Buffer.from("0000000400000000", "hex");

/** An `integer[]` for each of the columns of these rows; most values are taken to be zero. Throws InvalidValue. */
export function integerColumns(rows: readonly (readonly number[])[], width: number): Buffer[] {
  const { columns, views } = filledColumns(INTEGER_OID, rows.length, width, ZERO_ELEMENT);
  let at = HEADER_BYTES + LENGTH_BYTES;
  for (const row of rows) {
    for (let column = 0; column < width; column++) {
      const value = row[column] ?? Number.NaN;
      if (value === 0) continue;
      if ((value | 0) !== value) throw new InvalidValue("A value is no integer of 32 bits");
      views[column]?.setInt32(at, value);
    }
    at += ZERO_ELEMENT.length;
  }
  return columns;
}

/** Longer ones are left to Node's own encoder, which takes as long for any text as this does for so many characters. */
const MAX_CHARS_BY_HAND = 64;
const MAX_BYTES_PER_CHAR = 3;

/** Of `text[]`; undefined is null. Throws InvalidValue for what is no well-formed text. */
export function textArray<Item>(items: readonly Item[], of: (item: Item) => string | undefined): Buffer {
  let chars = 0;
  for (const item of items) chars += of(item)?.length ?? 0;
  // Memory that is not written to is not taken.
  const room = items.length * LENGTH_BYTES + chars * MAX_BYTES_PER_CHAR;
  const array = arrayOf(TEXT_OID, items.length, room, true);
  let at = HEADER_BYTES;
  for (const item of items) {
    const text = of(item);
    const bytes = text === undefined ? -1 : writeText(array, at + LENGTH_BYTES, text);
    array.writeInt32BE(bytes, at);
    at += LENGTH_BYTES + Math.max(0, bytes);
  }
  return items.length === 0 ? array : array.subarray(0, at);
}

/** Returns how many bytes it took. */
function writeText(array: Buffer, at: number, text: string): number {
  if (typeof text !== "string") throw new InvalidValue("A value is no text");
  if (text.length <= MAX_CHARS_BY_HAND) {
    let position = 0;
    for (; position < text.length; position++) {
      const char = text.charCodeAt(position);
      if (char > 127) break;
      array[at + position] = char;
    }
    if (position === text.length) return position;
  }
  if (!text.isWellFormed()) throw new InvalidValue("A text holds a lone surrogate");
  return array.write(text, at);
}
