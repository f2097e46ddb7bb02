/** What is somebody else's, presented at the places that an operation takes texts and ids at. */
import type { Harvest } from "./answers.js";
import { type Kind, type OwnValues, type Probe, type Slot, withValue } from "./schema-walk.js";

export interface Attack {
  readonly probe: Probe;
  readonly slot: Slot;
  readonly value: unknown;
  /** The same of what nobody has; null where the value is of a kind that many have, such as a currency. */
  readonly twin: unknown;
}

interface Booty {
  readonly theirs: Harvest;
  /** What both have is one's own. */
  readonly mine: Harvest;
  /** In every text that is theirs alone. */
  readonly marker: string;
  readonly ofEach: number;
}

export function attacksOn(probe: Probe, { theirs, mine, marker, ofEach }: Booty): Attack[] {
  return probe.slots.flatMap((slot) => {
    const values = theirs
      .presentable(slot.kind, marker, ofEach)
      .filter((value) => !mine.texts.has(value) || slot.kind === "JSONObject");
    const parsed = (text: string): unknown => (slot.kind === "JSONObject" ? JSON.parse(text) : text);
    const attacks = values.map((text) => {
      const twin = missingOf(slot.kind, text, marker);
      return { probe, slot, value: parsed(text), twin: twin === null ? null : parsed(twin) };
    });
    if (!slot.isList) return attacks;
    const twins = attacks.map(({ twin }) => twin).filter((twin) => twin !== null);
    const all = attacks.filter(({ twin }) => twin !== null).map(({ value }) => value);
    return [...attacks.slice(0, 3), { probe, slot, value: all.slice(0, 50), twin: twins.slice(0, 50) }];
  });
}

/** The value alone, and beside ids of one's own at the argument's other places. */
export function variablesWith({ probe, slot }: Attack, value: unknown, own: OwnValues): Record<string, unknown>[] {
  const alone = withValue(probe.variables, slot, value);
  const beside = probe.slots.filter(
    (other) => other.kind === "ID" && other !== slot && other.path[0] === slot.path[0] && other.path.length > 1,
  );
  if (beside.length === 0) return [alone];
  const filled = beside.reduce((held, other) => withValue(held, other, own.idFor(other.place)), alone);
  return [alone, withValue(filled, slot, value)];
}

/** A value like it that nobody has: another UUID in an id, another signature on a cursor, another name. Null: there is none. */
function missingOf(kind: Kind, text: string, marker: string): string | null {
  if (text.includes(marker))
    return text.replaceAll(marker, "nobody0".padEnd(marker.length, "0").slice(0, marker.length));
  const plain = Buffer.from(text, "base64url").toString("latin1");
  if (Buffer.from(plain, "latin1").toString("base64url") !== text || text.length < 20) return null;
  if (kind === "ID") {
    // The last digits of the UUID in it.
    const digits = plain.replace(/[0-9a-f]{6}$/, (found) => (found === "0badc0" ? "0badc1" : "0badc0"));
    return digits === plain ? null : Buffer.from(digits, "latin1").toString("base64url");
  }
  const bytes = Buffer.from(plain, "latin1");
  bytes[8] = (bytes[8] ?? 0) ^ 0xff;
  return bytes.toString("base64url");
}
