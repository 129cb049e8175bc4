// locks.js: which tabs are there. Each holds a lock of its own for as long as it lives; whoever else gets it knows that the
// tab is gone, however it went.

const locks = globalThis.navigator?.locks;
const held = new Map();

export const canLock = Boolean(locks?.request);

const keyOf = (name, id) => `${name}:${id}`;

/** Settles once the lock is held, which is until letGo or the end of the page. */
export const hold = (name, id) => new Promise((resolve) => {
  locks.request(keyOf(name, id), () => new Promise((release) => {
    held.set(keyOf(name, id), release);
    resolve();
  }));
});

export function letGo(name, id) {
  held.get(keyOf(name, id))?.();
  held.delete(keyOf(name, id));
}

/** Calls `act` once that tab is gone; `now`: only if it is gone already. Gives a promise of whether it was called. */
export const whenGone = (name, id, act, now = false) => locks.request(keyOf(name, id), { ifAvailable: now },
  async (lock) => {
    if (lock) await act();
    return Boolean(lock);
  });
