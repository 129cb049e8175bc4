// What outlives a reload. The seat (room, name and the nickId, which is a credential) stays in this tab's
// sessionStorage; the nick and head last used, and the language, stay in localStorage. Storage may be forbidden: then
// nothing is kept and nothing breaks.

const SEAT = 'chaguan.seat';
const HABITS = 'chaguan.habits';

function read(storage, key) {
  try {
    const value = JSON.parse(globalThis[storage].getItem(key));
    return value !== null && typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}

function write(storage, key, value) {
  try {
    if (value === null) globalThis[storage].removeItem(key);
    else globalThis[storage].setItem(key, JSON.stringify(value));
  } catch {
    // private mode or a full store
  }
}

/** {roomId, nickId, roomName, nickName, head} or null. */
export function loadSeat() {
  const seat = read('sessionStorage', SEAT);
  return typeof seat?.roomId === 'string' && typeof seat?.nickId === 'string' ? seat : null;
}

export const saveSeat = (seat) => write('sessionStorage', SEAT, seat);
export const forgetSeat = () => write('sessionStorage', SEAT, null);

/** {nickName?, head?, lang?} */
export const loadHabits = () => read('localStorage', HABITS) ?? {};
export const saveHabits = (more) => write('localStorage', HABITS, { ...loadHabits(), ...more });

/** What another page keeps for a reload of its own: an object or null. */
export const loadKept = (key) => read('sessionStorage', key);
export const saveKept = (key, value) => write('sessionStorage', key, value);

/** The room named in `#room=NAME`, or ''. */
export function roomInHash(hash) {
  return new URLSearchParams(hash.replace(/^#/, '')).get('room') ?? '';
}

/** The address part that names a room; only ever its name. */
export function hashForRoom(name) {
  return `#${new URLSearchParams({ room: name })}`;
}
