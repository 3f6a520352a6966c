// What today brought to this desk, kept in this browser so that a reload does not forget it.
const KEPT = "zhiyin.day.";
const MOST_IDS = 5000;

const today = () => new Date().toLocaleDateString("sv-SE");

export class Day {
  constructor(desk, onChange) {
    this.key = KEPT + desk;
    this.onChange = onChange;
    this.read();
  }

  read() {
    let kept = null;
    try {
      kept = JSON.parse(localStorage.getItem(this.key));
    } catch {
      kept = null;
    }
    this.date = today();
    const same = kept?.date === this.date ? kept : {};
    this.received = new Set(same.received ?? []);
    this.used = new Set(same.used ?? []);
    this.back = new Set(same.back ?? []);
    this.onChange(this);
  }

  /** Counts a hint once under `kind`: received, used or back. */
  count(kind, hintId) {
    if (this.date !== today()) this.read();
    if (this[kind].has(hintId) || this[kind].size >= MOST_IDS) return;
    this[kind].add(hintId);
    this.onChange(this);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#keep(), 500);
  }

  #keep() {
    const { date, received, used, back } = this;
    try {
      localStorage.setItem(this.key, JSON.stringify({ date, received: [...received], used: [...used], back: [...back] }));
    } catch {
      // Without room the count lasts as long as the page.
    }
  }
}
