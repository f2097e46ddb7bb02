import { PublicError } from "../errors.js";
import { faultOfText } from "../text-faults.js";

/** Throws BAD_INPUT for a text that PostgreSQL cannot hold, and that therefore nothing stored can match. */
export function requireStorableText(text: string, field: readonly string[]): void {
  const fault = faultOfText(text);
  if (fault !== null) throw new PublicError("BAD_INPUT", `${field.at(-1)} holds ${fault}.`, { field });
}

/** The same for every text within JSON, keys included. */
export function requireStorableJson(value: unknown, field: readonly string[]): void {
  if (typeof value === "string") requireStorableText(value, field);
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    requireStorableText(key, field);
    requireStorableJson(inner, field);
  }
}
