// What must be true of every run, whatever happened in it. Pure: what clients did and saw goes in, what is broken comes out.
// The same promises as those of the broker's own random run, here of what the SDK hands out.

/**
 * @param {{ receivers: { name: string, channel: string, events: any[] }[], publishes: any[], history: Record<string, any[]> }} run
 *   `events` are `{ message }` and `{ gap }` in the order in which they were handed out; `publishes` are
 *   `{ channel, key, sent: true, id?, offset?, settled }`; `history` is what the broker has in the end
 * @returns {string[]}
 */
export function check({ receivers, publishes, history }) {
  const broken = [];
  const byPlace = new Map();
  for (const receiver of receivers) broken.push(...followed(receiver, byPlace));

  for (const { key, channel, settled, id } of publishes) {
    if (!settled) broken.push(`settles: the publish of ${key} has no end`);
    if (!id) continue;
    // A key is one message, whatever was sent how often.
    const kept = (history[channel] ?? []).filter(({ data }) => data.key === key);
    const ids = new Set(receivers.flatMap(({ events }) => events.filter(({ message }) => message?.data.key === key).map(({ message }) => message.id)));
    if (kept.length > 1 || ids.size > 1) broken.push(`once per key: ${key} is ${[...ids].join(' and ')}`);
    if (ids.size === 1 && !ids.has(id)) broken.push(`acknowledged: ${key} was said to be ${id}, and is ${[...ids][0]}`);
  }
  for (const { name, channel, events } of receivers) {
    const arrived = new Set(events.filter(({ message }) => message).map(({ message }) => message.id));
    for (const { id, offset, channel: where } of publishes) {
      if (where === channel && id && !arrived.has(id) && !isInGap(events, offset)) broken.push(`acknowledged arrives: ${name} never got ${id} (${offset})`);
    }
    const last = history[channel]?.at(-1)?.offset ?? 0;
    const reached = events.reduce((most, { message, gap }) => Math.max(most, message?.offset ?? gap?.to?.offset ?? 0), 0);
    if (reached < last) broken.push(`reaches the end: ${name} has ${channel} up to ${reached} of ${last}`);
  }
  return broken;
}

/** The way of one receiver through its channel. */
function* followed({ name, channel, events }, byPlace) {
  let at = 0;
  let hasBegun = false;
  const ids = new Set();
  for (const { message, gap } of events) {
    if (gap) {
      if (gap.from.offset !== at) yield `gap: ${name} was told of a gap from ${gap.from.offset}, and is at ${at}`;
      at = Math.max(at, gap.to?.offset ?? at);
      continue;
    }
    const { id, offset, epoch } = message;
    if (ids.has(id)) yield `no duplicate: ${name} got ${id} (${offset}) twice`;
    ids.add(id);
    if (offset <= at) yield `order: ${name} got ${offset} after ${at}`;
    // Where it began nobody told it.
    else if (hasBegun && offset !== at + 1) yield `no hole: ${name} got ${offset} after ${at}, and no gap`;
    hasBegun = true;
    at = offset;
    const place = `${channel} ${epoch}:${offset}`;
    if ((byPlace.get(place) ?? id) !== id) yield `same: ${place} is ${id} to ${name}, and ${byPlace.get(place)} to others`;
    byPlace.set(place, id);
  }
}

function isInGap(events, offset) {
  return events.some(({ gap }) => gap && offset > gap.from.offset && offset <= (gap.to?.offset ?? Infinity));
}
