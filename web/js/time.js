// Times: the wire's `YYYY-MM-DD HH:mm:ss`, and how a time is shown. Knows no DOM.

const STAMP = /^(\d{4})-(\d{2})-(\d{2})[ T](\d{2}):(\d{2}):(\d{2})(?:\.\d+)?$/;
const MINUTE_MS = 60_000;

const two = (n) => String(n).padStart(2, '0');

/** A Date as the wire writes it, in the clock of the person who sends. */
export function toStamp(date = new Date()) {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/**
 * Unix milliseconds, or null when the value is no time.
 * A number or an ISO string with a zone is an instant. A bare stamp carries no zone: it is shown as written.
 */
export function toMillis(value) {
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value !== 'string') return null;
  const m = STAMP.exec(value);
  if (m) {
    const [, y, mo, d, h, mi, s] = m.map(Number);
    const date = new Date(y, mo - 1, d, h, mi, s);
    return date.getMonth() === mo - 1 && date.getDate() === d ? date.getTime() : null;
  }
  const ms = /(?:Z|[+-]\d{2}:?\d{2})$/.test(value) ? Date.parse(value) : NaN;
  return Number.isNaN(ms) ? null : ms;
}

export function sameDay(a, b) {
  if (a === null || b === null) return a === b;
  const x = new Date(a);
  const y = new Date(b);
  return x.getFullYear() === y.getFullYear() && x.getMonth() === y.getMonth() && x.getDate() === y.getDate();
}

export function within(a, b, minutes) {
  return a !== null && b !== null && Math.abs(a - b) <= minutes * MINUTE_MS;
}

/** `HH:mm`, or '' for no time. */
export function clock(ms) {
  if (ms === null) return '';
  const d = new Date(ms);
  return `${two(d.getHours())}:${two(d.getMinutes())}`;
}

/** What a date separator says: today's and yesterday's words are the caller's, in its language. */
export function dayLabel(ms, lang, words, now = Date.now()) {
  if (ms === null) return '';
  if (sameDay(ms, now)) return words.today;
  const yesterday = new Date(now);
  yesterday.setDate(yesterday.getDate() - 1); // not 24 hours: a day of a clock change has 23 or 25
  if (sameDay(ms, yesterday.getTime())) return words.yesterday;
  const options = { month: 'long', day: 'numeric', weekday: 'long' };
  if (new Date(ms).getFullYear() !== new Date(now).getFullYear()) options.year = 'numeric';
  return new Intl.DateTimeFormat(lang, options).format(ms);
}
