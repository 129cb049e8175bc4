// Waits for what a client will have: it has a Set, `waiters`, and calls all of them whenever something has happened to it.
import { DEADLINE_MS } from './http.mjs';

/**
 * Resolves with the predicate's first truthy value. over(): why nothing more can come, for the failure, or undefined.
 * seen(): what has come so far, for the failure.
 */
export function waitFor(client, predicate, what,
  { deadlineMs = DEADLINE_MS, over = () => undefined, seen = () => '' } = {}) {
  return new Promise((resolve, reject) => {
    const end = (settle, value) => {
      client.waiters.delete(look);
      clearTimeout(timer);
      settle(value);
    };
    const look = () => {
      let value;
      try {
        value = predicate(client);
      } catch (error) {
        return end(reject, error);
      }
      if (value) return end(resolve, value);
      const why = over();
      if (why) end(reject, new Error(`${why} while waiting for ${what}${seen()}`));
    };
    const timer = setTimeout(() => end(reject, new Error(`waited in vain for ${what}${seen()}`)), deadlineMs);
    client.waiters.add(look);
    look();
  });
}
