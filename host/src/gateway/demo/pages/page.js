// What both pages build with. Everything that comes from others reaches a page as text (`el` sets text), never as markup.

const PATIENCE_MS = 5000; // what an action waits for any one thing
const KEPT = 300; // lines kept per list; the oldest go first

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

export function append(list, node) {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(node);
  while (list.childElementCount > KEPT) list.firstElementChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

export function clock(ms, fraction) {
  const text = new Date(ms).toTimeString().slice(0, 8);
  return fraction ? `${text}.${String(ms % 1000).padStart(3, '0')}` : text;
}

export function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${PATIENCE_MS / 1000} seconds`)), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Each name once: who has several sessions, in a second tab for example, is followed by their number. */
export function counted(names) {
  return [...new Set(names)].sort().map((name) => {
    const sessions = names.filter((other) => other === name).length;
    return sessions > 1 ? `${name} ×${sessions}` : name;
  });
}

export function explain({ code, reason, message, plugin }) {
  return `Refused${plugin ? ` by ${plugin}` : ''}: ${code ? `${code} ` : ''}${reason}${message ? `, ${message}` : ''}`;
}
