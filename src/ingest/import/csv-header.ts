import { PublicError } from "../../errors.js";
import type { EventInput } from "../../events/event.js";
import { EVENT_FIELDS, isEventField } from "./event-fields.js";
import type { RefusalReason } from "./file-record.js";

const REQUIRED = ["type", "recipient", "occurredAt"] as const;

/** The fields that a file's columns stand for. Throws BAD_INPUT and names every column that is unknown, missing or double. */
export function readHeader(cells: readonly string[] | RefusalReason): readonly (keyof EventInput)[] {
  if ("message" in cells) throw new PublicError("BAD_INPUT", `The header cannot be read. ${cells.message}`);
  const problems: string[] = [];
  const unknown = cells.filter((name) => !isEventField(name));
  if (unknown.length > 0) problems.push(`unknown: ${unknown.map((name) => JSON.stringify(name)).join(", ")}`);
  const missing: string[] = REQUIRED.filter((name) => !cells.includes(name));
  if (!cells.includes("campaignId") && !cells.includes("campaignExternalId")) {
    missing.push("campaignId or campaignExternalId");
  }
  if (missing.length > 0) problems.push(`missing: ${missing.join(", ")}`);
  const double = cells.filter((name, index) => isEventField(name) && cells.indexOf(name) < index);
  if (double.length > 0) problems.push(`more than once: ${double.join(", ")}`);
  if (problems.length === 0) return cells.filter((name) => isEventField(name));
  const fields = `Columns are named after an event's fields: ${EVENT_FIELDS.join(", ")}.`;
  throw new PublicError("BAD_INPUT", `The header's columns are wrong (${problems.join("; ")}). ${fields}`);
}
