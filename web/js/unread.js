// The window's title: the room, and how much was said while nobody looked.

export class Unread {
  #roomName;
  #count = 0;

  constructor(roomName, signal) {
    this.#roomName = roomName;
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) this.#set(0);
    }, { signal });
    this.#set(0);
  }

  heard(n = 1) {
    if (document.hidden && n > 0) this.#set(this.#count + n);
  }

  #set(count) {
    this.#count = count;
    const mark = count === 0 ? '' : `(${count > 99 ? '99+' : count}) `;
    document.title = `${mark}${this.#roomName} · 茶馆`;
  }
}
