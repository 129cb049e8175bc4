// What was said, in order: turning rows of the wire into items, merging history with what came live, deciding what
// starts a new day or a new speaker, and settling one's own messages by their echo. Pure: no DOM, no socket.
//
// An item is { seq, name, text, at, system, gap }: `seq` is null when the server sent none, `at` is Unix ms or null,
// `gap` is true when messages between the item before and this one are not here.

import { sameDay, toMillis, within } from './time.js';

export const SYSTEM_NAME = 'system';
const GROUP_MINUTES = 5;

const asText = (value) => (typeof value === 'string' ? value : value === null || value === undefined ? ''
  : String(value));

function asSeq(value) {
  const n = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return Number.isSafeInteger(n) && n > 0 ? n : null;
}

/** An item from a row `{log_user_name, log_content, log_time, seq?, ts?}`; null when it is no row at all. */
export function toItem(row) {
  if (row === null || typeof row !== 'object' || Array.isArray(row)) return null;
  const name = asText(row.log_user_name);
  return {
    seq: asSeq(row.seq),
    name,
    text: asText(row.log_content),
    at: toMillis(row.ts) ?? toMillis(row.log_time),
    system: name === SYSTEM_NAME,
    gap: false,
  };
}

const alike = (a, b) => a.name === b.name && a.text === b.text;

function same(a, b) {
  if (a.seq !== null && b.seq !== null) return a.seq === b.seq;
  // Times on the wire are whole seconds; a live system line may carry none.
  return alike(a, b) && (a.at === null || b.at === null || Math.abs(a.at - b.at) < 1000);
}

function mergeNumbered(have, more) {
  const known = new Map(have.map((item) => [item.seq, item]));
  const reused = more.some((item) => known.has(item.seq) && !alike(known.get(item.seq), item));
  if (reused) return { items: more, fresh: more }; // the server began a new numbering: what is here is another past

  const fresh = more.filter((item) => !known.has(item.seq));
  const last = have.at(-1);
  const items = [...have, ...fresh].sort((a, b) => a.seq - b.seq);
  if (last && fresh.length && more[0].seq > last.seq + 1) {
    const at = items.findIndex((item) => item.seq === more[0].seq);
    items[at] = { ...items[at], gap: true };
  }
  return { items, fresh };
}

function mergeUnnumbered(have, more) {
  const matched = new Array(have.length).fill(false);
  const fresh = [];
  let top = have.length - 1;
  for (let i = more.length - 1; i >= 0; i--) {
    let k = top;
    while (k >= 0 && !same(have[k], more[i])) k--;
    if (k < 0) {
      fresh.unshift(more[i]);
    } else {
      matched[k] = true;
      top = k - 1;
    }
  }
  const first = matched.indexOf(true);
  const older = first < 0 ? have : have.slice(0, first);
  const newer = first < 0 ? [] : have.filter((_, i) => i > first && !matched[i]);
  const rest = more.slice();
  if (first < 0 && have.length) rest[0] = { ...rest[0], gap: true };
  return { items: [...older, ...rest, ...newer], fresh };
}

/**
 * History (`more`, oldest first, the latest the server has) into what is here. Returns the list and those items of
 * `more` that were not known. Neither argument is changed.
 */
export function mergeHistory(have, more) {
  if (more.length === 0) return { items: have, fresh: [] };
  const numbered = have.every((i) => i.seq !== null) && more.every((i) => i.seq !== null);
  return numbered ? mergeNumbered(have, more) : mergeUnnumbered(have, more);
}

/**
 * One live item. `appended` says that it only went to the end, so a view need not draw anew; an item that is known
 * already leaves the list as it is (`items === have`). Without `seq` nothing is taken for a repeat: people do say "ok"
 * twice.
 */
export function addLive(have, item) {
  const last = have.at(-1);
  if (item.seq === null || !last || last.seq === null || item.seq > last.seq) {
    return { items: [...have, item], appended: true };
  }
  const at = have.findIndex((h) => h.seq !== null && h.seq >= item.seq);
  if (have[at].seq === item.seq) {
    if (alike(have[at], item)) return { items: have, appended: false };
    return { items: [item], appended: false, renumbered: true }; // as in mergeNumbered; the history is to be asked for
  }
  return { items: [...have.slice(0, at), item, ...have.slice(at)], appended: false };
}

/** What stands before `item` when it follows `prev` (null at the top): a date, a speaker's heading. */
export function place(prev, item) {
  const day = !prev || !sameDay(prev.at, item.at);
  const goesOn = prev && !day && !item.gap && !prev.system && !item.system &&
    prev.name === item.name && within(prev.at, item.at, GROUP_MINUTES);
  return { day: day && item.at !== null, heading: !item.system && !goesOn };
}

/** Takes from `pending` ({text}) those that `items`, sent under `nick`, show to have arrived: the oldest alike
 *  first. */
export function settle(pending, items, nick) {
  const left = pending.slice();
  const settled = [];
  for (const item of items) {
    if (item.system || item.name !== nick) continue;
    const i = left.findIndex((p) => p.text === item.text);
    if (i >= 0) settled.push(...left.splice(i, 1));
  }
  return { left, settled };
}
