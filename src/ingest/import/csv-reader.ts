/**
 * RFC 4180 with a header of EventInput's field names. csv-parse reads the cells; where a record begins and ends is found
 * here, since csv-parse's own ways to go on after a fault lose rows: past its size limit it drops the rest of the chunk, and
 * after a misplaced quote it stays inside the quotes until the next one.
 *
 * A record is open as long as the number of its quotes is odd. One that proves to have its quotes out of place, or that is
 * not closed within the limit, loses its first line, and reading resumes on the next one: the quote was a stray one. A record
 * that reads well and has a wrong number of cells is refused as a whole, so that no text inside a well-formed cell is ever
 * taken for a row of its own.
 */
import { parse } from "csv-parse/sync";
import { PublicError } from "../../errors.js";
import type { EventInput } from "../../events/event.js";
import { readHeader } from "./csv-header.js";
import type { FileRecord, RecordReader, RefusalReason } from "./file-record.js";
import { LINE_FAULTS, MAX_LINE_BYTES } from "./line-faults.js";
import type { Line } from "./line-splitter.js";

type Row = { readonly line: number } & (
  | { readonly text: string }
  | { readonly cells: readonly string[] }
  | { readonly refusal: RefusalReason }
);

export class CsvReader implements RecordReader {
  #columns: readonly (keyof EventInput)[] | null = null;
  /** The lines of a record that is not closed yet. */
  #open: Line[] = [];
  #openChars = 0;

  read(lines: readonly Line[]): FileRecord[] {
    return this.#recordsOf(this.#rowsOf(lines));
  }

  end(): FileRecord[] {
    const rows: Row[] = [];
    while (this.#open.length > 0) rows.push(...this.#rowsOf(this.#giveUp(rows)));
    const records = this.#recordsOf(rows);
    if (this.#columns === null) throw new PublicError("BAD_INPUT", "The file is empty: a CSV file has a header.");
    return records;
  }

  #rowsOf(lines: readonly Line[]): Row[] {
    const rows: Row[] = [];
    let todo = lines;
    for (let index = 0; index < todo.length; index++) {
      const again = this.#take(todo[index] as Line, rows);
      if (again.length === 0) continue;
      todo = [...again, ...todo.slice(index + 1)];
      index = -1;
    }
    return rows;
  }

  /** Adds the row that ends with this line, if one does. Returns lines that must be taken again. */
  #take(line: Line, rows: Row[]): readonly Line[] {
    if (line.fault !== null) {
      if (this.#open.length > 0) return [...this.#giveUp(rows), line];
      rows.push({ line: line.number, refusal: LINE_FAULTS[line.fault] });
      return [];
    }
    const isOdd = hasOddQuotes(line.text);
    if (this.#open.length === 0 && !isOdd) {
      if (line.text.trim() !== "") rows.push({ line: line.number, text: withoutReturn(line.text) });
      return [];
    }
    const closes = isOdd && this.#open.length > 0;
    this.#open.push(line);
    this.#openChars += line.text.length + 1;
    if (closes) {
      const cells = cellsOf(withoutReturn(this.#open.map(({ text }) => text).join("\n")))?.[0];
      if (cells === undefined) return this.#giveUp(rows);
      rows.push({ line: this.#open[0]?.number ?? line.number, cells });
      this.#close();
    } else if (this.#openChars > MAX_LINE_BYTES) return this.#giveUp(rows);
    return [];
  }

  /** Refuses the line that opened the record and returns the others. */
  #giveUp(rows: Row[]): readonly Line[] {
    const [first, ...others] = this.#close();
    if (first !== undefined) rows.push({ line: first.number, refusal: STRAY_QUOTE });
    return others;
  }

  #close(): readonly Line[] {
    const lines = this.#open;
    this.#open = [];
    this.#openChars = 0;
    return lines;
  }

  #recordsOf(rows: readonly Row[]): FileRecord[] {
    const texts = rows.flatMap((row) => ("text" in row ? [row.text] : []));
    const parsed = texts.length === 0 ? [] : cellsOf(texts.join("\n"));
    const isWhole = parsed?.length === texts.length;
    const records: FileRecord[] = [];
    let position = 0;
    for (const row of rows) {
      let cells = "cells" in row ? row.cells : undefined;
      // Row by row where the rows together hold a fault, to find whose it is.
      if ("text" in row) cells = isWhole ? parsed[position++] : cellsOf(row.text)?.[0];
      const refusal = "refusal" in row ? row.refusal : STRAY_QUOTE;
      if (this.#columns === null) this.#columns = readHeader(cells ?? refusal);
      else if (cells === undefined) records.push({ line: row.line, refusal });
      else records.push(readEvent(row.line, this.#columns, cells));
    }
    return records;
  }
}

const STRAY_QUOTE: RefusalReason = {
  code: "INVALID",
  field: null,
  message: "The row has a quote out of place: a cell with quotes stands in quotes, and each quote in it is doubled.",
};

function hasOddQuotes(text: string): boolean {
  let isOdd = false;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) isOdd = !isOdd;
  return isOdd;
}

/** Where the lines end with CRLF, the record's own end still has the half of it. */
function withoutReturn(text: string): string {
  return text.endsWith("\r") ? text.slice(0, -1) : text;
}

/** The rows of a text, or null where its quotes are not in order. */
function cellsOf(text: string): string[][] | null {
  try {
    return parse(text, { record_delimiter: "\n", relax_column_count: true });
  } catch {
    return null;
  }
}

function readEvent(line: number, columns: readonly (keyof EventInput)[], cells: readonly string[]): FileRecord {
  if (cells.length !== columns.length) {
    const message = `The row has ${cells.length} cells, the header ${columns.length}.`;
    return { line, refusal: { code: "INVALID", field: null, message } };
  }
  const event: Partial<Record<keyof EventInput, unknown>> = {};
  for (const [index, column] of columns.entries()) {
    const cell = cells[index];
    if (cell !== undefined && cell !== "") event[column] = cell;
  }
  if (typeof event.metadata === "string") {
    try {
      event.metadata = JSON.parse(event.metadata);
    } catch {
      return { line, refusal: { code: "INVALID", field: "metadata", message: "metadata is not JSON." } };
    }
  }
  // What is missing or malformed in it is intake's to say.
  return { line, event: event as EventInput };
}
