/** What whoever runs the machine can mend of what PostgreSQL says, and how. */
import { ConfigError } from "../config.js";
import { accountName, type ServerAccount } from "./embedded-account.js";

const NO_ROOM = /No space left on device|Disk quota exceeded|wrote only \d+ of \d+ bytes/;
const READ_ONLY = /Read-only file system/;
const NOT_ITS_OWN = /wrong ownership|Permission denied/;
const TOO_OPEN = /has invalid permissions/;

/** Kernel objects run out, and ports are refused, in the same words. */
const NO_FILE = /shared memory|semaphore|could not bind/;

interface Place {
  readonly directory: string;
  readonly account: ServerAccount;
}

/** The fault of the cluster's folder that the lines tell of, or undefined where they tell of none. */
export async function faultOfFolder(said: string, place: Place): Promise<ConfigError | undefined> {
  for (const line of said.split("\n").filter((text) => !NO_FILE.test(text))) {
    const advice = await adviceOn(line, place);
    if (advice === undefined) continue;
    const fault = line.replace(/^.*?(?:FATAL|PANIC|ERROR|error): +|^but +/, "");
    return new ConfigError([`DATA_DIR: PostgreSQL cannot work in ${place.directory}: ${fault}. ${advice}`]);
  }
  return undefined;
}

/** Of a folder that belongs to somebody else than the account that works in it. */
export async function ownershipAdvice({ directory, account }: Place): Promise<string> {
  const name = await accountName(account.uid ?? process.getuid?.() ?? 0);
  return `Its server runs as the system user ${name}. Give that user all of it: chown -R ${name} ${directory}`;
}

async function adviceOn(line: string, place: Place): Promise<string | undefined> {
  if (NO_ROOM.test(line)) return "Make room on its disk";
  if (READ_ONLY.test(line)) return "Its disk must be one that can be written to";
  if (NOT_ITS_OWN.test(line)) return ownershipAdvice(place);
  if (TOO_OPEN.test(line)) return `Let nobody else in: chmod 700 ${place.directory}`;
  return undefined;
}
