/** The API's dates. A date may be exact to the year or the month only, and then the rest of it means nothing. */

export type Precision = "year" | "month" | "day" | "instant";

export interface DateFormat {
  /** A BCP 47 language tag, such as `en-US`; the default is the environment's. */
  locale?: string;
  /** For instants only, such as `America/Chicago`; the default is the environment's. Dates have no time zone. */
  timeZone?: string;
}

const FORMATS: Record<Precision, Intl.DateTimeFormatOptions> = {
  year: { year: "numeric" },
  month: { year: "numeric", month: "long" },
  day: { year: "numeric", month: "short", day: "numeric" },
  instant: { dateStyle: "medium", timeStyle: "short" },
};

/**
 * Return a date or instant for people, with no more than its precision. An unknown date is "".
 * `new Date("1981-05-01")` would show April 30 west of Greenwich.
 */
export function formatDate(
  value: string | null | undefined,
  precision?: string | null,
  { locale, timeZone }: DateFormat = {},
): string {
  if (!value) {
    return "";
  }
  const known = precisionOf(value, precision);
  const zone = known === "instant" ? timeZone : "UTC";
  return new Intl.DateTimeFormat(locale, { ...FORMATS[known], timeZone: zone }).format(toMoment(value));
}

/** An age in whole years. It is a range if the birth date is not exact. */
export interface Age {
  min: number;
  max: number;
}

/** Return the age on a day (YYYY-MM-DD; the default is today, here), or undefined if the birth date is unknown. */
export function ageOn(birthDate: string | null | undefined, precision?: string | null, day = today()): Age | undefined {
  if (!birthDate) {
    return undefined;
  }
  const known = precisionOf(birthDate, precision);
  const [year, month] = [birthDate.slice(0, 4), birthDate.slice(0, 7)];
  const earliest = { year: `${year}-01-01`, month: `${month}-01`, day: birthDate, instant: birthDate }[known];
  const latest = { year: `${year}-12-31`, month: `${month}-31`, day: birthDate, instant: birthDate }[known];
  return { min: Math.max(0, yearsBetween(latest, day)), max: Math.max(0, yearsBetween(earliest, day)) };
}

/** Return today's date as the API writes it, in the time zone of the environment. */
export function today(now = new Date()): string {
  const [year, month, day] = [now.getFullYear(), now.getMonth() + 1, now.getDate()];
  return [String(year).padStart(4, "0"), ...[month, day].map((part) => String(part).padStart(2, "0"))].join("-");
}

/** Return whether a text is a date as the API takes it: YYYY-MM-DD, and a day that exists. */
export function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) {
    return false;
  }
  const moment = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(moment.getTime()) && moment.toISOString().startsWith(text);
}

function precisionOf(value: string, precision: string | null | undefined): Precision {
  if (precision && precision in FORMATS) {
    return precision as Precision;
  }
  return value.length > 10 ? "instant" : "day";
}

function toMoment(value: string): Date {
  const moment = new Date(value.length > 10 ? value : `${value}T00:00:00Z`);
  if (Number.isNaN(moment.getTime())) {
    throw new RangeError(`${JSON.stringify(value)} is not a date.`);
  }
  return moment;
}

function yearsBetween(from: string, to: string): number {
  const years = Number(to.slice(0, 4)) - Number(from.slice(0, 4));
  return to.slice(5, 10) < from.slice(5, 10) ? years - 1 : years;
}
