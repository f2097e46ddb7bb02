/** One EventInput a line, as JSON. A line that cannot be read is refused by itself, and no other is touched by it. */
import type { EventInput } from "../../events/event.js";
import { isEventField } from "./event-fields.js";
import type { FileRecord, RecordReader } from "./file-record.js";
import { LINE_FAULTS } from "./line-faults.js";
import type { Line } from "./line-splitter.js";

export class NdjsonReader implements RecordReader {
  read(lines: readonly Line[]): FileRecord[] {
    const records: FileRecord[] = [];
    for (const { number, text, fault } of lines) {
      if (fault !== null) records.push({ line: number, refusal: LINE_FAULTS[fault] });
      else if (text.trim() !== "") records.push(readEvent(number, text));
    }
    return records;
  }

  end(): FileRecord[] {
    return [];
  }
}

function readEvent(line: number, text: string): FileRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return refused(line, null, `The line is not JSON${positionIn(error)}.`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return refused(line, null, "The line is not a JSON object.");
  }
  for (const key of Object.keys(value)) {
    if (isEventField(key)) continue;
    const shown = key.slice(0, 100);
    return refused(line, shown, `An event has no field ${JSON.stringify(shown)}.`);
  }
  // What is missing or malformed in it is intake's to say.
  return { line, event: value as EventInput };
}

function refused(line: number, field: string | null, message: string): FileRecord {
  return { line, refusal: { code: "INVALID", field, message } };
}

/** Only where the fault is: the rest of the parser's message quotes the line, which may hold an address. */
function positionIn(error: unknown): string {
  const position = error instanceof Error ? /at position (\d+)/.exec(error.message)?.[1] : undefined;
  return position === undefined ? "" : ` (at character ${Number(position) + 1})`;
}
