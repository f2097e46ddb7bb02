/**
 * A bucket that all servers share, in Redis, by Redis's clock: theirs need not agree. One script does what a server has to say
 * and to ask at a time, so that nobody comes in between.
 */
import { createHash } from "node:crypto";
import type { RedisLayer, RedisScript } from "../../cache/redis-layer.js";
import type { Budget } from "./bucket.js";

interface Settlement {
  /** What was spent already, and comes off whatever is left; below zero it is given back. */
  readonly spent: number;
  /** What is asked for, and taken only where it is there; 0 asks for nothing. */
  readonly price: number;
}

interface Settled {
  readonly isGranted: boolean;
  readonly available: number;
}

const LUA = `
local maximum, rate, spent, price = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call("time")
local now = time[1] * 1000 + time[2] / 1000
local held = redis.call("hmget", KEYS[1], "available", "at")
local available = maximum
if held[1] and held[2] then
  available = math.min(maximum, held[1] + math.max(0, now - held[2]) / 1000 * rate)
end
available = math.min(maximum, available - spent)
local granted = 0
if available >= price then
  available = available - price
  granted = 1
end
redis.call("hset", KEYS[1], "available", string.format("%.3f", available), "at", string.format("%.3f", now))
redis.call("pexpire", KEYS[1], math.ceil((maximum - available) / rate * 1000) + 1000)
return { granted, string.format("%.3f", available) }
`;
const SETTLE: RedisScript = { lua: LUA, sha: createHash("sha1").update(LUA).digest("hex") };

/** A bucket that is full again is forgotten, and full when it is next asked for. Null where Redis does not say. Never throws. */
export async function settleShared(
  redis: RedisLayer,
  payer: string,
  { maximum, restoreRate }: Budget,
  { spent, price }: Settlement,
): Promise<Settled | null> {
  const reply = await redis.run(SETTLE, `mailtally:cost:${payer}`, [maximum, restoreRate, spent, price]);
  if (!Array.isArray(reply)) return null;
  const available = Number(reply[1]);
  return Number.isFinite(available) ? { isGranted: reply[0] === 1, available } : null;
}
