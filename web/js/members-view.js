// Who is here: the list beside the conversation, a drawer on a phone; remembers the heads of those who have left.

import { avatar } from './heads.js';
import { language, onLanguage, t } from './i18n.js';

const narrow = matchMedia('(max-width: 860px)'); // as in room.css
const byId = (id) => document.getElementById(id);

export class MembersView {
  #seat;
  #people = [];
  #heads = new Map();
  #room = byId('room');
  #toggle = byId('members-toggle');
  #backdrop = byId('backdrop');

  constructor(seat, signal) {
    this.#seat = seat;
    this.#toggle.addEventListener('click', () => this.#open(!this.#isOpen), { signal });
    byId('members-close').addEventListener('click', () => this.#open(false), { signal });
    this.#backdrop.addEventListener('click', () => this.#open(false), { signal });
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && this.#isOpen && !event.isComposing) this.#open(false);
    }, { signal });
    narrow.addEventListener('change', () => this.#open(false, false), { signal });
    onLanguage(() => this.#draw(), signal);
    this.#open(false, false);
    this.#draw();
  }

  show(people) {
    this.#people = people;
    for (const { name, head } of people) this.#heads.set(name, head);
    this.#draw();
  }

  headOf(name) {
    return this.#heads.get(name);
  }

  get #isOpen() {
    return this.#room.classList.contains('members-open');
  }

  #open(open, moveFocus = true) {
    this.#room.classList.toggle('members-open', open);
    this.#toggle.setAttribute('aria-expanded', String(open));
    this.#backdrop.hidden = !open;
    document.querySelector('.talk').inert = open && narrow.matches;
    if (moveFocus) (open ? byId('members-close') : this.#toggle).focus();
  }

  #draw() {
    const order = new Intl.Collator(language() === 'zh' ? 'zh-CN' : 'en');
    const isMe = (p) => p.name === this.#seat.nickName;
    const people = [...this.#people].sort((a, b) => isMe(b) - isMe(a) || order.compare(a.name, b.name));
    byId('members-count').textContent = people.length;
    byId('members-badge').textContent = people.length;
    byId('members-list').replaceChildren(...people.map((person) => {
      const li = document.createElement('li');
      const name = document.createElement('bdi');
      name.className = 'member-name';
      name.textContent = person.name;
      name.title = person.name;
      li.append(avatar(person.name, person.head), name);
      if (isMe(person)) {
        const you = document.createElement('span');
        you.className = 'you';
        you.textContent = t('you');
        li.append(you);
      }
      return li;
    }));
  }
}
