// storage.js: where an outbox may be kept: in memory, in a browser's or a mini program's storage.

export function memoryStorage() {
  const entries = new Map();
  return {
    load: () => [...entries.values()],
    put: (id, entry) => void entries.set(id, entry),
    remove: (id) => void entries.delete(id),
  };
}

/** Each entry under a key of its own, so that tabs do not write over each other. */
const keyed = (name, keys, get, put, remove) => {
  const prefix = `chaguan-outbox:${name}:`;
  return {
    name: prefix,
    load: () => keys().filter((key) => key.startsWith(prefix)).map((key) => JSON.parse(get(key))),
    put: (id, entry) => put(prefix + id, JSON.stringify(entry)),
    remove: (id) => remove(prefix + id),
  };
};

/** `area`: localStorage, or what is like it. `name`: the user, so that nobody sends what somebody else wrote. */
export const webStorage = (area, name) => keyed(name, () => Array.from({ length: area.length }, (_, i) => area.key(i)),
  (key) => area.getItem(key), (key, text) => area.setItem(key, text), (key) => area.removeItem(key));

export const wxStorage = (wx, name) => keyed(name, () => wx.getStorageInfoSync().keys, (key) => wx.getStorageSync(key),
  (key, text) => wx.setStorageSync(key, text), (key) => wx.removeStorageSync(key));
