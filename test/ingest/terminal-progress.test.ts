import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import type { ImportSummary } from "../../src/ingest/import/import-progress.js";
import { terminalProgress } from "../../src/ingest/import/terminal-progress.js";

const SUMMARY: ImportSummary = { lines: 200, accepted: 50, refused: 150, durableThroughLine: 201, interrupted: false };
const INVALID = { code: "INVALID", field: "recipient", message: "recipient is required." } as const;

function terminal(isTTY: boolean) {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 120, rows: 40 });
  const written: string[] = [];
  stream.on("data", (chunk: Buffer) => written.push(chunk.toString()));
  return { progress: terminalProgress(stream as unknown as NodeJS.WriteStream), text: () => written.join("") };
}

test.each([true, false])("refused lines are named up to a hundred and counted after that (terminal: %s)", (isTTY) => {
  const { progress, text } = terminal(isTTY);
  progress.update({ bytesRead: 1, totalBytes: 2, lines: 1, accepted: 0, refused: 0, isInboxFull: false });
  for (let line = 2; line <= 150; line++) progress.refused(line, INVALID);
  progress.refused(151, { code: "TOO_OLD", field: null, message: "too old." });
  progress.done(SUMMARY);
  expect(text()).toContain("line 2 refused: INVALID (recipient): recipient is required.");
  expect(text()).toContain("line 101 refused");
  expect(text()).not.toContain("line 102 refused");
  expect(text()).toMatch(/200 lines read, 50 accepted, 150 refused in .*\n {2}INVALID: 149\n {2}TOO_OLD: 1\n$/s);
});

test.each([true, false])("an import that waits for room says so at once (terminal: %s)", (isTTY) => {
  const { progress, text } = terminal(isTTY);
  const state = { bytesRead: 1, totalBytes: 2, lines: 1, accepted: 0, refused: 0 };
  progress.update({ ...state, isInboxFull: false });
  expect(text()).not.toContain("waiting");
  progress.update({ ...state, isInboxFull: true });
  progress.done(SUMMARY);
  expect(text()).toContain("0 refused" + (isTTY ? " | " : ", ") + "waiting until workers have recorded more");
});

test("an interrupted import ends with how far it came and what to do", () => {
  const { progress, text } = terminal(false);
  progress.done({ ...SUMMARY, interrupted: true });
  expect(text()).toMatch(/every line through 201 is durable or refused\nrun the same import again/);
});

test("a terminal shows how much of the file is read; where its size is not known, the counts alone", () => {
  for (const [totalBytes, expected] of [
    [4, /50% \| 7 lines .* left/],
    [null, /^(?!.*%).*7 lines/s],
  ] as const) {
    const { progress, text } = terminal(true);
    progress.update({ bytesRead: 2, totalBytes, lines: 7, accepted: 7, refused: 0, isInboxFull: false });
    progress.done(SUMMARY);
    expect(text()).toMatch(expected);
  }
});

test("what a file says cannot steer the terminal", () => {
  const { progress, text } = terminal(false);
  progress.refused(1, { code: "INVALID", field: "\u001B[2J", message: "An event has no field \u009B31m." });
  expect(text()).toContain(String.raw`line 1 refused: INVALID (\x1b[2J): An event has no field \x9b31m.`);
});
