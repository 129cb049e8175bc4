// outbox.js: what is to be stored, until it is known whether it was. One command of a conversation is on its way at a time,
// so they are stored in the order in which they were given; each has a client_id, so asking again stores nothing twice.
import { canLock, hold, letGo, whenGone } from './locks.js';
import { ChaguanError, randomId } from './util.js';

/**
 * storage: {load(), put(id, entry), remove(id)}, each of which may give a promise. ask(entry): a promise of the answer, as
 * the client's asker makes it. tell('settled' | 'trouble', …). Tabs that share a storage each send what is theirs, and what a
 * tab that is gone has left; a lock of the tab's tells which is.
 */
export function makeOutbox({ storage, ask, tell }) {
  const owner = randomId();
  const queues = new Map(); // by conversation
  const entries = new Map(); // by client_id
  let started = false, closed = false;

  async function save(act) {
    try {
      await act();
    } catch (error) {
      tell('trouble', new ChaguanError('storage', String(error?.message ?? error)));
    }
  }

  function add(entry, ready) {
    const kept = { entry, ready };
    kept.promise = new Promise((resolve, reject) => Object.assign(kept, { resolve, reject }));
    entries.set(entry.client_id, kept);
    if (!queues.has(entry.room)) queues.set(entry.room, []);
    const queue = queues.get(entry.room), at = queue.findIndex((other) => !other.going && other.entry.at > entry.at);
    queue.splice(at < 0 ? queue.length : at, 0, kept);
    pump(entry.room);
    return kept;
  }

  async function pump(room) {
    const queue = queues.get(room), [kept] = queue ?? [];
    if (!started || closed || !kept || kept.going) return;
    kept.going = true;
    await kept.ready;
    let answer, error;
    try {
      answer = await ask(kept);
    } catch (refusal) {
      error = refusal;
    }
    if (error?.code === 'closed') return kept.reject(error); // it stays in the storage, for the next time
    queue.shift();
    if (!queue.length) queues.delete(room);
    entries.delete(kept.entry.client_id);
    await save(() => storage.remove(kept.entry.client_id));
    if (error) kept.reject(error);
    else kept.resolve(answer);
    tell('settled', { ...kept.entry, answer, error });
    pump(room);
  }

  async function load() {
    let left = [];
    await save(async () => {
      left = await storage.load();
    });
    return left.sort((a, b) => a.at - b.at);
  }

  /** What an earlier life has left, or a tab that is gone: it may have been sent already. */
  async function adopt(gone) {
    for (const found of await load()) {
      if (closed || entries.has(found.client_id) || (gone && found.owner !== gone)) continue;
      const entry = { ...found, owner };
      const kept = add(entry, save(() => storage.put(entry.client_id, entry)));
      kept.unknown = true;
      kept.promise.catch(() => {}); // `settled` tells
    }
  }

  async function start() {
    if (canLock && storage.name) {
      await hold(storage.name, owner);
      for (const other of new Set((await load()).map((entry) => entry.owner)))
        if (!await whenGone(storage.name, other, () => adopt(other), true)) whenGone(storage.name, other, () => adopt(other));
    } else {
      await adopt();
    }
    started = true;
    for (const room of queues.keys()) pump(room);
  }

  start();
  return {
    keep(room, cmd, fields, client_id = randomId()) {
      if (entries.has(client_id)) return entries.get(client_id).promise;
      const entry = { client_id, room, cmd, fields, at: Date.now(), owner };
      const promise = closed ? Promise.reject(new ChaguanError('closed')) : add(entry, save(() => storage.put(client_id, entry))).promise;
      return Object.assign(promise, { client_id });
    },
    /** True: it was taken out, and nothing of it was ever sent. */
    cancel(client_id) {
      const kept = entries.get(client_id);
      if (!kept || kept.going || kept.unknown) return false;
      const queue = queues.get(kept.entry.room);
      queue.splice(queue.indexOf(kept), 1);
      entries.delete(client_id);
      save(() => storage.remove(client_id));
      kept.reject(new ChaguanError('cancelled'));
      return true;
    },
    list: () => [...entries.values()].map(({ entry }) => entry),
    /** Nothing is sent any more. Those whose turn has not come are in the storage, or were never sent. */
    close() {
      closed = true;
      if (canLock && storage.name) letGo(storage.name, owner);
      for (const { going, unknown, reject } of entries.values())
        if (!going) reject(new ChaguanError('closed', 'the client was closed', { unknown: Boolean(unknown) }));
    },
  };
}
