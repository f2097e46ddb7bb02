/**
 * Proleptic Gregorian dates as day numbers: whole days since 1970-01-01. Day arithmetic on numbers cannot meet a time zone by
 * accident, which is why the rest of this folder carries dates this way and prints them only at its edge.
 */

export interface CivilDate {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  /** 1 to 31. */
  readonly day: number;
}

const DAYS_PER_ERA = 146_097;
/** From 0000-03-01, where the 400-year eras begin so that a leap day ends its year, to 1970-01-01. */
const ERA_TO_EPOCH_DAYS = 719_468;
const MONTH_LENGTHS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

/** Days of a month; `month` is 1 to 12. */
export function daysInMonth(year: number, month: number): number {
  const isLeapYear = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && isLeapYear ? 29 : (MONTH_LENGTHS[month - 1] ?? 0);
}

/** The day number of a date. The date must exist. */
export function dayNumber(year: number, month: number, day: number): number {
  const shiftedYear = month > 2 ? year : year - 1;
  const era = Math.floor(shiftedYear / 400);
  const yearOfEra = shiftedYear - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * DAYS_PER_ERA + dayOfEra - ERA_TO_EPOCH_DAYS;
}

/** The date of a day number. */
export function civilDate(dayNumberOfDate: number): CivilDate {
  const shifted = dayNumberOfDate + ERA_TO_EPOCH_DAYS;
  const era = Math.floor(shifted / DAYS_PER_ERA);
  const dayOfEra = shifted - era * DAYS_PER_ERA;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return {
    year: era * 400 + yearOfEra + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
  };
}

/** The same day a year before; 29 February becomes the 28th. */
export function yearBefore(dayNumberOfDate: number): number {
  const { year, month, day } = civilDate(dayNumberOfDate);
  return dayNumber(year - 1, month, Math.min(day, daysInMonth(year - 1, month)));
}

/** The day number of the first of the month after. */
export function firstOfNextMonth(dayNumberOfDate: number): number {
  const { year, month } = civilDate(dayNumberOfDate);
  return month === 12 ? dayNumber(year + 1, 1, 1) : dayNumber(year, month + 1, 1);
}

/** The day number of the Monday after, never the day itself. */
export function nextMonday(dayNumberOfDate: number): number {
  const daysSinceMonday = (((dayNumberOfDate + 3) % 7) + 7) % 7;
  return dayNumberOfDate - daysSinceMonday + 7;
}

/** "YYYY-MM-DD". */
export function formatDate(dayNumberOfDate: number): string {
  const { year, month, day } = civilDate(dayNumberOfDate);
  return `${String(year).padStart(4, "0")}-${month < 10 ? "0" : ""}${month}-${day < 10 ? "0" : ""}${day}`;
}

/** The day number of a "YYYY-MM-DD" of the years 0001 to 9999; null for anything else. */
export function parseDate(text: string): number | null {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return null;
  const year = Number(text.slice(0, 4));
  const month = Number(text.slice(5, 7));
  const day = Number(text.slice(8));
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return null;
  return dayNumber(year, month, day);
}
