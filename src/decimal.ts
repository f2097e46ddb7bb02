/** Exact decimals as text ("12.50"), as PostgreSQL's numeric writes them. Money is never a float. */

const DECIMAL = /^(\d{1,15})(?:\.(\d{1,6}))?$/;

/** Whether a text is a decimal of at most 15 digits before the point and 6 after it; no sign, no exponent. */
export function isDecimal(text: string): boolean {
  return DECIMAL.test(text);
}

/** The one spelling of a decimal's value: no zeros before it, two decimals at least ("12.50"), and no further zeros after it. */
export function canonicalDecimal(decimal: string): string {
  const [whole = "", fraction = ""] = decimal.split(".");
  return `${whole.replace(/^0+(?=\d)/, "")}.${fraction.replace(/0+$/, "").padEnd(2, "0")}`;
}

function split(decimal: string): { units: bigint; scale: number } {
  const point = decimal.indexOf(".");
  if (point < 0) return { units: BigInt(decimal), scale: 0 };
  return { units: BigInt(decimal.slice(0, point) + decimal.slice(point + 1)), scale: decimal.length - point - 1 };
}

function join(units: bigint, scale: number): string {
  if (scale === 0) return units.toString();
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, "0");
  return `${units < 0n ? "-" : ""}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** The exact sum, with as many decimals as the longer of the two. */
export function addDecimals(left: string, right: string): string {
  const a = split(left);
  const b = split(right);
  const scale = Math.max(a.scale, b.scale);
  return join(a.units * 10n ** BigInt(scale - a.scale) + b.units * 10n ** BigInt(scale - b.scale), scale);
}

export function negateDecimal(decimal: string): string {
  const { units, scale } = split(decimal);
  return join(-units, scale);
}

export function isZeroDecimal(decimal: string): boolean {
  return split(decimal).units === 0n;
}

/** The quotient by a whole number above 0, rounded half up (away from zero) to the given number of decimals. */
export function divideDecimal(decimal: string, divisor: number, decimals: number): string {
  const { units, scale } = split(decimal);
  const numerator = (units < 0n ? -units : units) * 10n ** BigInt(decimals) * 2n;
  const denominator = BigInt(divisor) * 10n ** BigInt(scale);
  const rounded = (numerator / denominator + 1n) / 2n;
  return join(units < 0n ? -rounded : rounded, decimals);
}
