// util.js: what every other file may use.

/** A refusal, or the end of hope. `unknown`: an earlier attempt had no answer, so it may have been done all the same. */
export class ChaguanError extends Error {
  constructor(code, message = code, more = {}) {
    super(message);
    this.name = 'ChaguanError';
    this.code = code;
    this.unknown = false;
    Object.assign(this, more);
  }
}

export const randomId = () =>
  [Date.now(), Math.random() * 2 ** 52, Math.random() * 2 ** 52].map((number) => Math.floor(number).toString(36)).join('-');

/** Of a text in UTF-8; mini programs have no TextEncoder. */
export const bytesOf = (json) => encodeURIComponent(json).replace(/%../g, 'x').length;

/** When a JWT ends, in Unix milliseconds; Infinity if it cannot be read. Mini programs have no atob. */
export function endOf(token) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  let bits = 0, held = 0, text = '';
  for (const letter of token.split('.')[1] ?? '') {
    held = ((held << 6) | alphabet.indexOf(letter)) & 0xffff;
    bits += 6;
    if (bits >= 8) text += String.fromCharCode((held >> (bits -= 8)) & 0xff);
  }
  return Number(/"exp"\s*:\s*(\d+)/.exec(text)?.[1] ?? Infinity) * 1000;
}

/** Listeners by name. What one of them throws is the application's, and stops nothing here. */
export class Emitter {
  constructor() {
    Object.defineProperty(this, 'listeners', { value: new Map() });
  }

  /** Returns a function that takes the listener away again. */
  on(name, listener) {
    if (!this.listeners.has(name)) this.listeners.set(name, new Set());
    this.listeners.get(name).add(listener);
    return () => this.listeners.get(name).delete(listener);
  }

  emit(name, value) {
    for (const listener of [...(this.listeners.get(name) ?? [])]) {
      try {
        listener(value);
      } catch (error) {
        setTimeout(() => {
          throw error;
        });
      }
    }
  }
}
