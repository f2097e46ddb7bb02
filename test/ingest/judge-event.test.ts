import { describe, expect, test } from "vitest";
import { EVENT_TYPES, type EventInput } from "../../src/events/event.js";
import { deriveEventId } from "../../src/events/event-key.js";
import type { CampaignId, RecipientKey } from "../../src/ids.js";
import {
  FIRST_INSTANT,
  judgeEvent,
  type JudgedEvent,
  type JudgingRules,
  Refusal,
} from "../../src/ingest/judge-event.js";
import { type EpochMicros, instantFromMillis, parseInstant } from "../../src/time/instant.js";

const NOW = Date.UTC(2026, 10, 20, 12);
const RULES: JudgingRules = {
  earliest: FIRST_INSTANT as EpochMicros,
  latest: instantFromMillis(NOW + 10 * 60_000),
  limits: { maxAddressChars: 320, maxMetadataBytes: 8192, maxUrlChars: 8192, maxTextChars: 1024 },
};

const GOOD = {
  type: "SENT",
  campaignExternalId: "spring",
  recipient: "ann@example.org",
  occurredAt: "2026-11-20T12:00:00Z",
};

/** As callers give it: anything at all, under names that fields have. */
type Given = { [Field in keyof EventInput]?: unknown };

function judge(given: Given, rules = RULES): JudgedEvent {
  return judgeEvent({ ...GOOD, ...given } as EventInput, rules);
}

function refusalOf(given: Given, rules = RULES): { code: string; field: string | null } | null {
  return refusalOfInput({ ...GOOD, ...given }, rules);
}

function refusalOfInput(input: unknown, rules = RULES): { code: string; field: string | null } | null {
  try {
    judgeEvent(input as EventInput, rules);
    return null;
  } catch (error) {
    // Anything else thrown would fail a whole call for one event.
    if (!(error instanceof Refusal)) throw error;
    if (!/^\S.*\.$/s.test(error.message)) throw new Error(`No sentence: ${error.message}`, { cause: error });
    return { code: error.code, field: error.field };
  }
}

const invalid = (field: string | null) => ({ code: "INVALID", field });
const tooLarge = (field: string) => ({ code: "TOO_LARGE", field });

const TEXT_FIELDS = [
  "eventId",
  "campaignExternalId",
  "recipient",
  "messageId",
  "mailboxProvider",
  "diagnostic",
  "client",
  "device",
  "country",
  "method",
  "feedbackSource",
  "reason",
  "externalReference",
] as const;
const CHECKED_TEXTS = [
  "type",
  "occurredAt",
  "bounceClass",
  "statusCode",
  "url",
  "traffic",
  "amount",
  "currency",
] as const;
const ALL_TEXTS = [...TEXT_FIELDS, ...CHECKED_TEXTS, "campaignId"] as const;

function withText(field: keyof EventInput, value: unknown): Given {
  // One campaign reference at a time; a currency is only looked at beside an amount.
  if (field === "campaignId") return { campaignExternalId: undefined, campaignId: value };
  return { [field]: value };
}

describe("malformed input", () => {
  test.each([null, undefined, "SENT", 7, true, [], [GOOD]])("an event that is no object is refused: %j", (input) => {
    expect(refusalOfInput(input)).toEqual(invalid(null));
  });

  test.each(ALL_TEXTS)("%s that is no text is refused, whatever it is instead", (field) => {
    for (const value of [7, true, {}, ["x"], { toString: "x" }]) {
      expect(refusalOf(withText(field, value))).toEqual(invalid(field));
    }
  });

  test.each(ALL_TEXTS)("a NUL in %s is refused: PostgreSQL cannot hold it", (field) => {
    for (const value of ["\u0000", "a\u0000b"]) expect(refusalOf(withText(field, value))).toEqual(invalid(field));
  });

  test.each(ALL_TEXTS)("a lone surrogate in %s is refused: UTF-8 cannot hold it", (field) => {
    for (const value of ["a\uD83D", "\uDC7Db", "\uDC7D\uD83D"]) {
      expect(refusalOf(withText(field, value))).toEqual(invalid(field));
    }
  });

  test.each(["type", "recipient", "occurredAt"] as const)(
    "%s is required: absent, null and blank are refused",
    (field) => {
      for (const value of [undefined, null, "", " \t\n"]) expect(refusalOf({ [field]: value })).toEqual(invalid(field));
    },
  );

  test.each(TEXT_FIELDS.filter((field) => field !== "recipient" && field !== "campaignExternalId"))(
    "%s may be absent, null or blank, which are the same",
    (field) => {
      const without = judge({});
      for (const value of [undefined, null, "", "  "]) expect(judge({ [field]: value })).toEqual(without);
    },
  );

  test.each(TEXT_FIELDS.filter((field) => field !== "recipient" && field !== "campaignExternalId"))(
    "%s of 1,024 characters is taken, one of 1,025 is not",
    (field) => {
      expect(refusalOf({ [field]: "x".repeat(1024) })).toBeNull();
      expect(refusalOf({ [field]: "x".repeat(1025) })).toEqual(tooLarge(field));
    },
  );

  test("an enumerated field takes its own words and no others, in their own letters", () => {
    for (const type of EVENT_TYPES) expect(refusalOf({ type, url: "https://example.org" })).toBeNull();
    for (const type of ["sent", "SENT ", "CLICK", "constructor", "__proto__"]) {
      expect(refusalOf({ type })).toEqual(invalid("type"));
    }
    for (const traffic of ["human", "BOT", "toString"]) expect(refusalOf({ traffic })).toEqual(invalid("traffic"));
    for (const bounceClass of ["hard", "COMPLAINT"]) {
      expect(refusalOf({ bounceClass })).toEqual(invalid("bounceClass"));
    }
  });

  test("a field that the type does not carry is checked, and not kept", () => {
    expect(refusalOf({ type: "SENT", url: "ftp://example.org" })).toEqual(invalid("url"));
    expect(
      judge({ type: "SENT", url: "https://example.org", reason: "none", amount: "1", currency: "EUR" }).details,
    ).toEqual({});
  });
});

describe("the campaign", () => {
  test("exactly one reference is needed", () => {
    expect(refusalOf({ campaignId: "abc" })).toEqual(invalid("campaignId"));
    for (const nothing of [undefined, null, "", " "]) {
      expect(refusalOf({ campaignExternalId: nothing, campaignId: nothing })).toEqual(invalid("campaignExternalId"));
    }
    expect(judge({ campaignId: null }).campaign).toEqual({ externalId: "spring" });
    expect(judge({ campaignExternalId: null, campaignId: "abc" }).campaign).toEqual({ id: "abc" });
  });

  test("an external id of 255 characters is taken, one of 256 is not: no campaign can have it", () => {
    expect(refusalOf({ campaignExternalId: "x".repeat(255) })).toBeNull();
    expect(refusalOf({ campaignExternalId: "x".repeat(256) })).toEqual(tooLarge("campaignExternalId"));
  });
});

describe("the recipient", () => {
  test.each([
    ["trimmed", "  Ann@Example.org\t", "ann@example.org"],
    ["in lower case where it holds an @", "ANN@EXAMPLE.ORG", "ann@example.org"],
    ["as it is where it holds none", " Member-7A ", "Member-7A"],
    ["composed", "Zoe\u0308@example.org", "zo\u00EB@example.org"],
    ["composed after it was put into lower case", "J\u030Ca@example.org", "\u01F0a@example.org"],
    ["in lower case beyond ASCII", "ÄÖÜ@example.org", "äöü@example.org"],
  ])("is kept %s", (_how, recipient, address) => {
    expect(judge({ recipient }).address).toBe(address);
    expect(judge({ recipient: address }).address).toBe(address);
  });

  test("has at most 320 characters, counted as it is kept", () => {
    const address = `${"x".repeat(308)}@example.org`;
    expect(refusalOf({ recipient: address })).toBeNull();
    expect(refusalOf({ recipient: `   ${address}   ` })).toBeNull();
    expect(refusalOf({ recipient: `x${address}` })).toEqual(tooLarge("recipient"));
  });
});

describe("the time", () => {
  test.each([
    "2026-11-20",
    "2026-11-20T12:00:00",
    "2026-11-20 12:00:00Z",
    "2026-02-29T12:00:00Z",
    "2026-11-20T24:00:00Z",
    "2026-11-20T12:00:60Z",
    "1700000000",
    "yesterday",
    "2026-11-20T12:00:00Z; drop table",
  ])("%s is no time with an offset", (occurredAt) => {
    expect(refusalOf({ occurredAt })).toEqual(invalid("occurredAt"));
  });

  test("is kept to the microsecond, in UTC", () => {
    const expected = parseInstant("2026-11-20T10:00:00.123456Z");
    expect(judge({ occurredAt: "2026-11-20T12:00:00.123456+02:00" }).occurredAt).toBe(expected);
  });

  test("lies at 2000 at the earliest", () => {
    expect(refusalOf({ occurredAt: "2000-01-01T00:00:00Z" })).toBeNull();
    const before = { code: "TOO_OLD", field: "occurredAt" };
    expect(refusalOf({ occurredAt: "1999-12-31T23:59:59.999999Z" })).toEqual(before);
    expect(refusalOf({ occurredAt: "0001-01-01T00:00:00Z" })).toEqual(before);
  });

  test("lies within the retention", () => {
    const rules = { ...RULES, earliest: parseInstant("2026-10-01T00:00:00Z") as EpochMicros };
    expect(refusalOf({ occurredAt: "2026-10-01T00:00:00Z" }, rules)).toBeNull();
    const before = { code: "TOO_OLD", field: "occurredAt" };
    expect(refusalOf({ occurredAt: "2026-09-30T23:59:59.999999Z" }, rules)).toEqual(before);
  });

  test("lies ten minutes ahead at the latest", () => {
    expect(refusalOf({ occurredAt: "2026-11-20T12:10:00Z" })).toBeNull();
    const after = { code: "IN_FUTURE", field: "occurredAt" };
    expect(refusalOf({ occurredAt: "2026-11-20T12:10:00.000001Z" })).toEqual(after);
    expect(refusalOf({ occurredAt: "9999-12-31T23:59:59Z" })).toEqual(after);
  });
});

function nested(depth: number): unknown {
  let value: unknown = "x";
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}

test("of an amount the value tells derived ids apart, and not how it is written", () => {
  const identity = {
    type: "CONVERTED",
    campaignId: "018f0000-0000-7000-8000-000000000001" as CampaignId,
    recipientKey: "018f0000-0000-7000-8000-000000000002" as RecipientKey,
    occurredAt: 1,
    messageId: undefined,
  } as const;
  const idsOf = (...amounts: string[]) => new Set(amounts.map((amount) => deriveEventId(identity, { amount })));
  expect(idsOf("12.5", "12.50", "012.500000").size).toBe(1);
  expect(idsOf("0", "00.0", "0.000000").size).toBe(1);
  expect(idsOf("12.5", "12.05", "12.501", "125", "0.5", "10", "100").size).toBe(7);
});

describe("the metadata", () => {
  test.each([9_007_199_254_740_992, -9_007_199_254_740_994, 1e21, 1e300])(
    "that holds %d is refused, as it may have been another number",
    (number) => {
      expect(refusalOf({ metadata: { order: [{ number }] } })).toEqual(invalid("metadata"));
      expect(refusalOf({ metadata: { order: String(number) } })).toBeNull();
    },
  );
  test.each([Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER, 0.1 + 0.2, 1e-300])(
    "that holds %d is kept",
    (number) => {
      expect(judge({ metadata: { number } }).metadata).toEqual({ number });
    },
  );
  test.each([["text"], [7], [true], [[]], [[{}]]])("that is no JSON object is refused: %j", (metadata) => {
    expect(refusalOf({ metadata })).toEqual(invalid("metadata"));
  });

  test("is kept as it is, and none where it is empty", () => {
    const metadata = { list: "a", deep: [{ emoji: "👽", tab: "\t", number: 1.5, nothing: null }] };
    expect(judge({ metadata }).metadata).toEqual(metadata);
    for (const none of [undefined, null, {}]) expect(judge({ metadata: none }).metadata).toBeUndefined();
  });

  test("has at most 8,192 bytes as JSON", () => {
    const around = JSON.stringify({ k: "" }).length;
    expect(refusalOf({ metadata: { k: "x".repeat(8192 - around) } })).toBeNull();
    expect(refusalOf({ metadata: { k: "x".repeat(8193 - around) } })).toEqual(tooLarge("metadata"));
    expect(refusalOf({ metadata: { k: "é".repeat(4096) } })).toEqual(tooLarge("metadata"));
  });

  test.each([
    ["a value", { k: "\u0000" }],
    ["a key", { "a\u0000": 1 }],
    ["a value in an object in a list", { k: [{ k: "a\u0000b" }] }],
    ["a key in an object in a list", { k: [[{ "\u0000": 1 }]] }],
  ])("with a NUL in %s is refused", (_where, metadata) => {
    expect(refusalOf({ metadata })).toEqual(invalid("metadata"));
  });

  test.each([
    ["a value", { k: "\uD83D" }],
    ["a key", { "\uDC7D": 1 }],
    ["a value in an object in a list", { k: [{ k: "a\uD83Db" }] }],
    ["a key in an object in a list", { k: [[{ "a\uDC7D": 1 }]] }],
  ])("with a lone surrogate in %s is refused", (_where, metadata) => {
    expect(refusalOf({ metadata })).toEqual(invalid("metadata"));
  });

  test("that says backslash and u without meaning it is taken", () => {
    for (const text of ["\\u0000", "C:\\users", "\\ud83d"])
      expect(judge({ metadata: { text } }).metadata).toEqual({ text });
  });

  test("that is nested without end is refused like any other fault, and fails no call", () => {
    expect(refusalOf({ metadata: { k: nested(99) } })).toBeNull();
    expect(refusalOf({ metadata: { k: nested(100), more: "x".repeat(200) } })).toEqual(invalid("metadata"));
    expect(refusalOf({ metadata: { k: nested(4_000) } })).toEqual(invalid("metadata"));
    expect(refusalOf({ metadata: { k: nested(500_000) } })).toMatchObject({ field: "metadata" });
  });
});

describe("the url", () => {
  test("is needed for a CLICKED and for no other type", () => {
    for (const url of [undefined, null, "", " "]) expect(refusalOf({ type: "CLICKED", url })).toEqual(invalid("url"));
    for (const type of EVENT_TYPES.filter((each) => each !== "CLICKED")) expect(refusalOf({ type })).toBeNull();
  });

  test.each([
    "example.org",
    "/path",
    "ftp://example.org",
    "javascript:alert(1)",
    "mailto:ann@example.org",
    "https://",
    "http://a b/",
  ])("%s is no http or https URL", (url) => {
    expect(refusalOf({ type: "CLICKED", url })).toEqual(invalid("url"));
  });

  test.each([
    "http://example.org",
    "HTTPS://Example.org/A?b=%20#c",
    "https://[::1]:8080/",
    "https://münchen.example/ü",
  ])("%s is kept verbatim", (url) => {
    expect(judge({ type: "CLICKED", url }).details.url).toBe(url);
  });

  test("has at most 8,192 characters", () => {
    const start = "https://example.org/";
    expect(refusalOf({ type: "CLICKED", url: start.padEnd(8192, "x") })).toBeNull();
    expect(refusalOf({ type: "CLICKED", url: start.padEnd(8193, "x") })).toEqual(tooLarge("url"));
  });
});

describe("the amount", () => {
  test("needs its currency, and the currency its amount", () => {
    expect(refusalOf({ type: "CONVERTED", amount: "12.50" })).toEqual(invalid("currency"));
    expect(refusalOf({ type: "CONVERTED", currency: "EUR" })).toEqual(invalid("amount"));
    expect(refusalOf({ type: "CONVERTED" })).toBeNull();
  });

  test.each([
    "12,50",
    "-1",
    "+1",
    "1e3",
    ".5",
    "5.",
    "1.1234567",
    "1234567890123456",
    "NaN",
    "Infinity",
    "0x10",
    "12.50 ",
    "١٢",
  ])("%s is no decimal", (amount) => {
    expect(refusalOf({ type: "CONVERTED", amount, currency: "EUR" })).toEqual(invalid("amount"));
  });

  test.each(["0", "12", "12.5", "12.50", "123456789012345.123456"])("%s is kept to the last digit", (amount) => {
    expect(judge({ type: "CONVERTED", amount, currency: "EUR" }).details.amount).toBe(amount);
  });

  test("has a currency of three letters, kept in capitals", () => {
    expect(judge({ type: "CONVERTED", amount: "1", currency: "eur" }).details.currency).toBe("EUR");
    for (const currency of ["EU", "EURO", "€", "E R", "ÄÖÜ"]) {
      expect(refusalOf({ type: "CONVERTED", amount: "1", currency })).toEqual(invalid("currency"));
    }
  });
});

describe("the class of a bounce", () => {
  test.each([
    ["5.1.1", undefined, "HARD"],
    ["550", undefined, "HARD"],
    ["5", undefined, "HARD"],
    ["550 5.1.1 user unknown", undefined, "HARD"],
    [" 5.7.1 ", undefined, "HARD"],
    ["4.4.7", undefined, "SOFT"],
    ["421", undefined, "SOFT"],
    ["2.0.0", undefined, "UNDETERMINED"],
    [undefined, undefined, "UNDETERMINED"],
    ["5.7.1", "BLOCK", "BLOCK"],
    ["4.4.7", "HARD", "HARD"],
    [undefined, "SOFT", "SOFT"],
    ["5.1.1", "UNDETERMINED", "UNDETERMINED"],
  ])("of status %s, said to be %s, is %s", (statusCode, bounceClass, expected) => {
    expect(judge({ type: "BOUNCED", statusCode, bounceClass }).details.bounceClass).toBe(expected);
  });

  test.each(["6.0.0", "1", "55", "5.1", "5.1.1.1", "5.1234.1", "unknown", "x550"])("%s is no status", (statusCode) => {
    expect(refusalOf({ type: "BOUNCED", statusCode })).toEqual(invalid("statusCode"));
  });
});

test("the traffic of opens and clicks is UNKNOWN where the source says nothing", () => {
  expect(judge({ type: "OPENED" }).details).toEqual({ traffic: "UNKNOWN" });
  expect(judge({ type: "OPENED", traffic: "MACHINE" }).details).toEqual({ traffic: "MACHINE" });
  expect(judge({ type: "DELIVERED", traffic: "HUMAN" }).details).toEqual({});
});
